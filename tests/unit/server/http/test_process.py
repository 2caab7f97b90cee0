"""`python -m server.http` as a supervisor runs it, on a real database."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.blobs import Variant, open_blobs
from core.media import Media
from core.process.keys import read_or_make_key
from core.process.settings import read_settings
from core.store import Database, media, open_database
from tests.unit.server.http.conftest import CONTENT, DEADLINE_SECONDS, ask, item


@dataclass
class Running:
    """The process, where it listens, and what it shares with the rest of the house."""

    process: subprocess.Popen[bytes]
    notify: socket.socket
    log: Path
    port: int
    db: Database
    item: Media
    target: str

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def told(self) -> str:
        """The next thing that it tells its supervisor."""
        return self.notify.recv(100).decode()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(tmp_path, f"127.0.0.1:{port}", port) as process:
        yield process


@contextlib.contextmanager
def started(folder: Path, listen: str, port: int = 0) -> Iterator[Running]:
    settings = read_settings(data_dir=folder)
    key = read_or_make_key(folder / "keys" / "signing.key")
    blobs = open_blobs(settings, key)
    made = item()
    blobs.put_bytes(made.blob_key, CONTENT)
    expire_time_s = int(time.time()) + 600
    url = blobs.url(
        made.media_id,
        Variant.CONTENT,
        mime_type=made.mime_type,
        blob_key=made.blob_key,
        expire_time_s=expire_time_s,
    )
    target = url.removeprefix(settings.address)
    db = open_database(settings)
    media.add(db, made)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(folder / "notify"))
        notify.settimeout(DEADLINE_SECONDS)
        log = folder / "log"
        process = spawn(folder, listen, log)
        try:
            yield Running(process, notify, log, port, db, made, target)
        finally:
            process.kill()
            process.wait(DEADLINE_SECONDS)
            db.close()


def spawn(folder: Path, listen: str, log: Path, failpoints: str = "") -> "subprocess.Popen[bytes]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_DATA_DIR": str(folder),
        "RUSHES_HTTP_LISTEN": listen,
        "NOTIFY_SOCKET": str(folder / "notify"),
        "PYTHONWARNINGS": "error",
        "RUSHES_FAILPOINTS": failpoints,
    }
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "server.http"],
            env={**kept, **ours},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def wait_ready(running: Running) -> None:
    told = {running.told()}
    while "READY=1" not in told:
        told.add(running.told())
    assert told <= {"READY=1", "WATCHDOG=1"}


def test_it_serves_once_it_says_so_and_ends_well(running: Running) -> None:
    wait_ready(running)

    assert ask(running.port, running.target).body == CONTENT
    assert ask(running.port, "/ready").status == 200
    assert running.stop() == 0


def test_what_another_process_puts_into_the_bin_is_refused(running: Running) -> None:
    wait_ready(running)
    ids = [running.item.media_id]

    media.bin(running.db, "alice", ids, 1000)
    assert ask(running.port, running.target).status == 404
    media.unbin(running.db, "alice", running.item.media_id)
    assert ask(running.port, running.target).status == 200
    media.erase(running.db, "alice", ids)
    assert ask(running.port, running.target).status == 404


def test_no_signature_reaches_the_log(running: Running) -> None:
    wait_ready(running)
    query = urlsplit(running.target).query

    ask(running.port, running.target)
    ask(running.port, running.target + "x")
    ask(running.port, f"/nowhere?{query}")
    with socket.create_connection(("127.0.0.1", running.port)) as rude:
        rude.sendall(f"GET {running.target} HTTP/9\r\n\r\n".encode())
        rude.recv(1000)
    running.stop()

    text = running.log.read_text()
    assert text.count('"event": "http_request"') >= 3
    assert f"/media/{running.item.media_id}/content" in text
    assert "signature" not in text
    assert "expire_time" not in text


def test_it_listens_on_a_unix_socket_also_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "http.web"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    with started(tmp_path, f"unix:{path}") as running:
        wait_ready(running)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("GET", running.target)
        assert connection.getresponse().read() == CONTENT
        connection.close()
        assert path.stat().st_mode & 0o777 == 0o600
        assert running.stop() == 0
    assert not path.exists()


def test_a_download_under_way_ends_whole_at_a_shutdown(running: Running) -> None:
    wait_ready(running)
    with socket.create_connection(("127.0.0.1", running.port)) as reader:
        reader.settimeout(DEADLINE_SECONDS)
        reader.sendall(f"GET {running.target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = reader.recv(1)
        running.process.send_signal(signal.SIGTERM)
        while piece := reader.recv(65536):
            received += piece

    assert received.partition(b"\r\n\r\n")[2] == CONTENT
    assert running.process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:x", "unix:/nowhere/at/all"])
def test_where_it_can_not_listen_is_one_sentence(listen: str, tmp_path: Path) -> None:
    process = spawn(tmp_path, listen, tmp_path / "log")

    assert process.wait(DEADLINE_SECONDS) == 2
    text = (tmp_path / "log").read_text()
    assert text.splitlines()[-1].startswith("rushes: RUSHES_HTTP_LISTEN: ")
    assert "Traceback" not in text


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = spawn(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}", tmp_path / "log")
        assert process.wait(DEADLINE_SECONDS) == 2

    assert "Address already in use" in (tmp_path / "log").read_text()
