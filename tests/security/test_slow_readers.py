"""Readers of signed addresses that do not read: they hold little, and not for long."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.blobs import Variant, open_blobs
from core.process.keys import read_or_make_key
from core.process.settings import Settings, read_settings
from core.store import media, open_database
from tests.e2e.processes import Process, children, linux_only
from tests.e2e.running import Running
from tests.making import new_media
from tests.ports import free_port
from tests.security.conftest import memory_of
from tests.services import wait_for

MIB = 1024 * 1024
FILE_BYTES = 8 * MIB
SLOW = 300
PLACES = 20
STUCK_SECONDS = 2
LIMITS = {
    "RUSHES_MAX_USER_DOWNLOADS": str(PLACES),
    "RUSHES_READER_STUCK_SECONDS": str(STUCK_SECONDS),
}


@dataclass
class Site:
    """An HTTP process, and the addresses of an item of Alice and of one of Bob."""

    process: Process
    port: int
    alice: str
    bob: str

    def open(self, target: str) -> socket.socket:
        """A reader that asks and reads only the first bytes."""
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(20)
        reader.connect(("127.0.0.1", self.port))
        reader.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return reader

    def open_files(self) -> int:
        """How many files of the library the process has open."""
        count = 0
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # it was closed meanwhile
                count += "/blobs/media/" in str(link.readlink())
        return count


def targets_of(settings: Settings) -> list[str]:
    """Signed addresses of a new item of Alice and of one of Bob, without the host."""
    blobs = open_blobs(settings, read_or_make_key(settings.signing_key_path))
    db = open_database(settings)
    targets = []
    for user_id in ("alice", "bob"):
        item = new_media(user_id)
        blobs.put_bytes(item.blob_key, bytes(FILE_BYTES))
        media.add(db, item)
        url = blobs.url(
            item.media_id,
            Variant.CONTENT,
            mime_type=item.mime_type,
            blob_key=item.blob_key,
            expire_time_s=int(time.time()) + 600,
        )
        targets.append(url.removeprefix(settings.address))
    db.close()
    return targets


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    port = free_port()
    targets = targets_of(read_settings(data_dir=tmp_path))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_DATA_DIR": str(tmp_path),
        "RUSHES_HTTP_LISTEN": f"127.0.0.1:{port}",
        "RUSHES_LOG_LEVEL": "ERROR",
        **LIMITS,
    }
    child = subprocess.Popen([sys.executable, "-m", "server.http"], env={**kept, **ours})
    try:
        wait_for(lambda: _listens(port), "the HTTP process")
        yield Site(Process(child.pid, ""), port, *targets)
    finally:
        child.terminate()
        assert child.wait(20) == 0


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def status(reader: socket.socket) -> int:
    return int(reader.recv(12).split()[1])


def whole(reader: socket.socket) -> int:
    """How many bytes come when it reads all of them."""
    count = 0
    while count < FILE_BYTES and (piece := reader.recv(MIB)):
        count += len(piece)
    return count


@pytest.fixture
def behind(own_run: Running) -> Iterator[Site]:
    """The HTTP process of a run, as those who come through the edge reach it."""
    own_run.more(**LIMITS)
    own_run.start()
    targets = targets_of(read_settings(data_dir=own_run.data, port=own_run.port))
    process = own_run.child("http")
    assert process is not None
    yield Site(process, own_run.port, *targets)
    assert own_run.interrupt() == 0, own_run.printed


def edges(site: Site) -> list[Process]:
    """The edge before the process, if there is one: its sibling."""
    parent = int(Path(f"/proc/{site.process.pid}/stat").read_text().rpartition(")")[2].split()[1])
    return [process for process in children(parent) if process.role == "envoy"]


@linux_only
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["site", "behind"])
def test_slow_readers_hold_little_and_not_for_long(
    request: pytest.FixtureRequest, kind: str
) -> None:
    site: Site = request.getfixturevalue(kind)
    processes = [site.process, *edges(site)]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert most > 2 * SLOW, "this test needs more descriptors"
    before = [memory_of(process) for process in processes]
    with contextlib.ExitStack() as after:
        # When hundreds of readers of Alice's item do not read
        slow = [after.enter_context(site.open(site.alice)) for _ in range(SLOW)]
        answers = [status(reader) for reader in slow]

        # Then only some of them are served, and Bob's item is read as ever
        assert set(answers) == {200, 429}
        assert answers.count(200) >= PLACES
        assert 0 < site.open_files() <= PLACES
        for process, held in zip(processes, before, strict=True):
            assert memory_of(process) - held < 100 * MIB, process.command
        with site.open(site.bob) as reader:
            assert whole(reader) >= FILE_BYTES

        # And those who were served are cut off, which frees their files and places
        wait_for(lambda: not site.open_files(), "the files to be closed")
        with site.open(site.alice) as reader:
            assert status(reader) == 200
            assert whole(reader) > FILE_BYTES // 2
