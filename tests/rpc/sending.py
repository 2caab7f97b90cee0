"""A house that takes uploads: the HTTP application behind a real uvicorn, and who sends to it."""

import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import redis

from core.blobs import AddressSigner, open_blobs
from core.process.keys import read_or_make_key
from core.store import media
from rushes.v1 import media_service_pb2 as pb
from server.fair_executor import FairExecutor
from server.http.__main__ import make_dock
from server.http.app import make_app
from server.http.bindings import Bindings
from server.http.bodies import Bodies
from server.http.credentials import Credentials
from server.http.downloads import Downloads
from server.http.servers import Servers
from server.http.streams import Streams
from server.http.tickets import Tickets
from tests.house import House
from tests.services import DEADLINE_SECONDS
from tests.unit.server.http.conftest import Answer, running


@dataclass(frozen=True)
class Harbour:
    """The house and the port of its HTTP application."""

    house: House
    port: int

    def begin(self, data: bytes, user_id: str = "alice", **fields: Any) -> Any:
        """The answer to CreateUpload for these bytes."""
        sha256 = hashlib.sha256(data).hexdigest()
        request = pb.CreateUploadRequest(**{"size_bytes": len(data), "sha256": sha256, **fields})
        return self.house.caller(user_id).call("CreateUpload", request)

    def put(self, address: str, body: Any, **headers: str) -> Answer:
        """The answer to a PUT; header names are written with underscores."""
        return self.ask("PUT", address, body, **headers)

    def part(self, address: str, data: bytes, first: int, end: int) -> Answer:
        """The answer to a PUT of the bytes from `first` up to `end`."""
        content_range = f"bytes {first}-{end - 1}/{len(data)}"
        return self.put(address, data[first:end], Content_Range=content_range)

    def offset(self, address: str) -> int:
        """How many bytes a HEAD says are kept."""
        answer = self.ask("HEAD", address)
        assert (answer.status, answer.body) == (200, b"")
        return int(answer.headers["Upload-Offset"])

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> Answer:
        """One request to the address, whatever its host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, target(address), body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    @contextmanager
    def sending(self, address: str, data: bytes, size: int) -> Iterator[socket.socket]:
        """A request that has sent `data` and promised `size` bytes; it ends with the block."""
        head = f"PUT {target(address)} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE_SECONDS) as connection:
            connection.sendall(head.encode() + data)
            yield connection

    def item(self, media_id: str, user_id: str = "alice") -> Any:
        """The item of the library."""
        request = pb.GetMediaRequest(media_id=media_id)
        return self.house.caller(user_id).call("GetMedia", request).media

    def bytes_of(self, media_id: str) -> bytes:
        """The bytes that its signed address gives."""
        return self.ask("GET", self.item(media_id).url).body

    def part_files(self) -> list[str]:
        """The files of unfinished uploads."""
        return [path.name for path in self.house.blob_files() if path.parent.name == "uploads"]

    def count_uploads(self) -> int:
        """The rows of unfinished uploads."""
        with self.house.db.peewee.connection_context():
            cursor = self.house.db.peewee.execute_sql("SELECT count(*) FROM upload")
            return int(cursor.fetchone()[0])


def target(address: str) -> str:
    """Path and query."""
    url = urlsplit(address)
    return f"{url.path}?{url.query}"


def as_json(answer: Answer) -> Any:
    """The body."""
    return json.loads(answer.body)


@contextmanager
def harbour_of(house: House, port: int = 0) -> Iterator[Harbour]:
    """The HTTP application of the house, for the block; at that port, or a free one."""
    settings = house.settings
    key = read_or_make_key(settings.signing_key_path)
    blobs = open_blobs(settings, key)
    with (
        ThreadPoolExecutor(2) as pool,
        FairExecutor(2) as writers,
        FairExecutor(2) as finishers,
    ):
        servers = Servers(())  # nobody streams here
        credentials = Credentials(servers, Tickets(redis.Redis(), 1), pool)
        app = make_app(
            credentials=credentials,
            streams=Streams(servers, credentials, 1),
            find=partial(media.find, house.db),
            blobs=blobs,
            signer=AddressSigner(settings.address, key),
            pool=pool,
            checks=Bodies(Bindings(())),
            downloads=Downloads(64, 32),
            dock=make_dock(settings, house.db, blobs, pool, writers, finishers),
        )
        with running(app, port) as at:
            yield Harbour(house, at)
