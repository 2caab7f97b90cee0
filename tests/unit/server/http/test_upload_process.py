"""The HTTP process is killed in the middle of an upload, which then goes on and is right."""

import hashlib
import http.client
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.blobs import AddressSigner, open_blobs
from core.process.keys import read_or_make_key
from core.process.settings import read_settings
from core.store import Database, media, uploads
from tests.ports import free_port
from tests.rpc.requests import noisy
from tests.services import DEADLINE_SECONDS, wait_for
from tests.unit.server.http.conftest import ask
from tests.unit.server.http.test_process import spawn, started, wait_ready


def end_lease(db: Database) -> None:
    """Lets another receiver go on now and not after some seconds."""
    with db.peewee.connection_context():
        db.peewee.execute_sql("UPDATE upload SET lease_expire_time = 1")


@pytest.mark.parametrize("failpoint", ["", "upload.before_finish=kill", "upload.after_keep=kill"])
def test_what_was_kept_survives_a_kill(tmp_path: Path, failpoint: str) -> None:
    # Given an upload of which something is kept
    data = noisy(2600)
    digest = hashlib.sha256(data).hexdigest()
    port = free_port()
    with started(tmp_path, f"127.0.0.1:{port}", port) as running:
        wait_ready(running)
        db = running.db
        asked = uploads.Asked(
            user_id="alice", size_bytes=len(data), sha256=digest, most=20, keep_ms=3_600_000
        )
        upload = uploads.begin(db, asked).upload
        assert upload is not None
        settings = read_settings(data_dir=tmp_path)
        key = read_or_make_key(settings.signing_key_path)
        signer = AddressSigner(settings.address, key)
        url = urlsplit(signer.upload_url(upload.media_id, upload.expire_time // 1000))
        target = f"{url.path}?{url.query}"
        with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as connection:
            head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data[: len(data) * 3 // 4])

            def kept() -> int:
                found = uploads.find(db, upload.media_id)
                return found.offset if found else 0

            wait_for(lambda: kept() > 0, "something is kept")

            # When the process is killed and another comes
            running.process.kill()
            running.process.wait(DEADLINE_SECONDS)
        offset = kept()
        # (which is killed too, between two steps)
        second = spawn(tmp_path, f"127.0.0.1:{port}", tmp_path / "log", failpoints=failpoint)
        try:
            wait_ready(running)
            answer = ask(port, target, "HEAD")
            assert answer.headers["Upload-Offset"] == str(offset)
            end_lease(db)
            if failpoint:
                with pytest.raises((http.client.HTTPException, OSError)):
                    send(port, target, data, offset)
                second.wait(DEADLINE_SECONDS)
                end_lease(db)
                second = spawn(tmp_path, f"127.0.0.1:{port}", tmp_path / "log")
                wait_ready(running)
                # What was not written down is not kept, and the rest is sent once more
                offset = len(data) if failpoint.startswith("upload.before_finish") else offset
                assert ask(port, target, "HEAD").headers["Upload-Offset"] == str(offset)
                offset = min(offset, len(data) - 1)
            assert send(port, target, data, offset) == 201
        finally:
            second.kill()
            second.wait(DEADLINE_SECONDS)

        # Then the item has the bytes, and nothing else is left
        item = media.find(db, upload.media_id)
        assert item is not None
        assert (item.sha256, item.size_bytes) == (digest, len(data))
        assert open_blobs(settings, key).read(item.blob_key) == data
        left = list((tmp_path / "blobs" / "uploads").iterdir())
        # The purge erases a part that a killed process had not written down
        assert len(left) == (1 if failpoint.startswith("upload.after_keep") else 0)


def send(port: int, target: str, data: bytes, offset: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    content_range = f"bytes {offset}-{len(data) - 1}/{len(data)}"
    try:
        connection.request("PUT", target, data[offset:], {"Content-Range": content_range})
        return connection.getresponse().status
    finally:
        connection.close()
