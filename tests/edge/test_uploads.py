"""Uploads pass the edge as they come, for pages too."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.blobs import AddressSigner
from core.process.keys import read_or_make_key
from core.process.settings import read_settings
from core.store import media, open_database, uploads
from standalone.probe import http_status
from tests.edge.conftest import RunningEdge, StartEdge
from tests.edge.wire import http
from tests.rpc.requests import noisy
from tests.services import DEADLINE_SECONDS

pytestmark = pytest.mark.asyncio
PAGE = {"origin": "http://localhost:5173"}


@dataclass
class Site:
    """An edge, an HTTP process behind it, and what that one keeps."""

    edge: RunningEdge
    data: Path

    def begin(self, size: int) -> tuple[str, str]:
        """A new upload: its media id, and the path and query of its address."""
        settings = read_settings(data_dir=self.data)
        db = open_database(settings)
        asked = uploads.Asked(
            user_id="alice", size_bytes=size, sha256="", most=20, keep_ms=3_600_000
        )
        upload = uploads.begin(db, asked).upload
        db.close()
        assert upload is not None
        signer = AddressSigner(settings.address, read_or_make_key(settings.signing_key_path))
        url = urlsplit(signer.upload_url(upload.media_id, upload.expire_time // 1000))
        return upload.media_id, f"{url.path}?{url.query}"

    def size_of(self, media_id: str) -> int:
        """Bytes of the item; 0 when there is none."""
        db = open_database(read_settings(data_dir=self.data))
        found = media.find(db, media_id)
        db.close()
        return found.size_bytes if found else 0


@asynccontextmanager
async def opened(start_edge: StartEdge, data: Path) -> AsyncIterator[Site]:
    async with start_edge(1) as edge:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RUSHES_")}
        variables = {"RUSHES_DATA_DIR": str(data), "RUSHES_HTTP_LISTEN": f"unix:{edge.http}"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.http"),
            env=clean | variables,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while await http_status(edge.http, "/ready") != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            yield Site(edge, data)
        finally:
            process.terminate()
            await process.wait()


async def test_a_large_file_passes(start_edge: StartEdge, tmp_path: Path) -> None:
    # Given a file that is larger than what the edge holds of a call
    data = noisy(3000)
    assert len(data) > 24 * 1024 * 1024

    async with opened(start_edge, tmp_path) as site:
        media_id, target = site.begin(len(data))
        async with http(site.edge.port, f"PUT {target}", PAGE, data) as answer:
            assert answer.status == 201
            assert (await answer.json())["mediaId"] == media_id
            assert answer.headers["access-control-allow-origin"] == PAGE["origin"]

        assert site.size_of(media_id) == len(data)


async def test_a_page_may_send_parts_and_ask_where_to_go_on(
    start_edge: StartEdge, tmp_path: Path
) -> None:
    data = noisy(200)
    async with opened(start_edge, tmp_path) as site:
        media_id, target = site.begin(len(data))
        asks = {
            **PAGE,
            "access-control-request-method": "PUT",
            "access-control-request-headers": "content-range,content-type",
        }
        async with http(site.edge.port, f"OPTIONS {target}", asks) as preflight:
            assert preflight.status == 200
            assert "PUT" in preflight.headers["access-control-allow-methods"]
            assert "content-range" in preflight.headers["access-control-allow-headers"]

        first = {**PAGE, "content-range": f"bytes 0-999/{len(data)}"}
        async with http(site.edge.port, f"PUT {target}", first, data[:1000]) as answer:
            assert (answer.status, answer.headers["upload-offset"]) == (202, "1000")
        async with http(site.edge.port, f"HEAD {target}", PAGE) as answer:
            assert (answer.status, answer.headers["upload-offset"]) == (200, "1000")
            assert "upload-offset" in answer.headers["access-control-expose-headers"]

        rest = {**PAGE, "content-range": f"bytes 1000-{len(data) - 1}/{len(data)}"}
        async with http(site.edge.port, f"PUT {target}", rest, data[1000:]) as answer:
            assert answer.status == 201
        assert site.size_of(media_id) == len(data)


async def test_a_refusal_reaches_who_still_sends(start_edge: StartEdge, tmp_path: Path) -> None:
    async with opened(start_edge, tmp_path) as site:
        _, target = site.begin(1_000_000)
        fields = {**PAGE, "content-length": "1000000"}
        reader, writer = await asyncio.open_connection("127.0.0.1", site.edge.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"PUT {target} HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode() + b"GIF89a" * 20)
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert b" 400 " in await reader.readline()
        writer.transport.abort()
