"""The HTTP application behind a real uvicorn on a free port, and a client that hides nothing."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import structlog
import uvicorn

from core.blobs import AddressSigner, Blobs, Variant, open_blobs
from core.ids import new_id
from core.media import Media, MediaType
from core.process.settings import read_settings
from core.shares import SharedItem
from server.http.app import make_app
from server.http.bindings import Bindings
from server.http.bodies import Bodies
from server.http.credentials import Credentials
from server.http.downloads import Downloads
from server.http.servers import Servers
from server.http.streams import Streams
from server.http.tickets import Tickets
from tests.services import DEADLINE_SECONDS, wait_for

SIGNING_KEY = b"k" * 32
CONTENT = b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 2000
THUMBNAIL = b"RIFF\x0c\x00\x00\x00WEBPthumbnail"


@dataclass(frozen=True)
class Answer:
    """One response, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def reason(self) -> str:
        """The reason in the ErrorInfo of a refusal."""
        info, *_ = json.loads(self.body)["details"]
        assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
        assert info["domain"] == "rushes"
        return str(info["reason"])


def ask(port: int, target: str, method: str = "GET", **headers: str) -> Answer:
    """One request; header names are written with underscores."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, headers=named)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@dataclass
class Site:
    """A server with one item; what `items` gives may be an error to raise. `links` are shares."""

    port: int
    media: Media
    blobs: Blobs
    signer: AddressSigner
    items: dict[str, Media | Exception] = field(default_factory=dict)
    links: dict[str, SharedItem] = field(default_factory=dict)
    logged: list[Any] = field(default_factory=list)

    def target(self, variant: Variant = Variant.CONTENT, lifetime_s: int = 600) -> str:
        """Path and query of a good address."""
        expire_time_s = int(time.time()) + lifetime_s
        url = urlsplit(self.signer.url(self.media.media_id, variant, expire_time_s))
        return f"{url.path}?{url.query}"

    def ask(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """One request to this server."""
        return ask(self.port, target, method, **headers)

    def change(self, **values: Any) -> None:
        """Changes the item as another process would."""
        self.media = replace(self.media, **values)
        self.items[self.media.media_id] = self.media


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    settings = read_settings(data_dir=tmp_path)
    blobs = open_blobs(settings, SIGNING_KEY)
    media = item()
    blobs.put_bytes(media.blob_key, CONTENT)
    blobs.put_bytes(media.thumbnail_key, THUMBNAIL)
    items: dict[str, Media | Exception] = {media.media_id: media}
    links: dict[str, SharedItem] = {}
    signer = AddressSigner(settings.address, SIGNING_KEY)
    with structlog.testing.capture_logs() as logged, ThreadPoolExecutor(2) as pool:
        servers = Servers(())  # nobody streams here
        credentials = Credentials(servers, Tickets(redis.Redis(), 1), pool)
        app = make_app(
            find=finder(items),
            blobs=blobs,
            signer=signer,
            pool=pool,
            downloads=Downloads(64, 32),
            credentials=credentials,
            streams=Streams(servers, credentials, 1),
            checks=Bodies(Bindings(())),
            find_link=links.get,
        )
        with running(app) as port:
            yield Site(port, media, blobs, signer, items, links, logged)


def item() -> Media:
    """A video in somebody's library."""
    media_id = new_id()
    return Media(
        media_id=media_id,
        user_id="alice",
        type=MediaType.VIDEO,
        mime_type="video/mp4",
        size_bytes=len(CONTENT),
        sha256="ab" * 32,
        width=640,
        height=360,
        duration_ms=2000,
        blob_key=f"media/{media_id}",
        thumbnail_key=f"thumbnails/{media_id}.webp",
    )


def finder(items: dict[str, Media | Exception]) -> Callable[[str], Media | None]:
    """A look-up in `items`."""

    def find(media_id: str) -> Media | None:
        found = items.get(media_id)
        if isinstance(found, Exception):
            raise found
        return found

    return find


@contextmanager
def running(app: Any, port: int = 0) -> Iterator[int]:
    """The port of a server that runs for the block; a free one, or the one that is named."""
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started, "uvicorn")
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(DEADLINE_SECONDS)
