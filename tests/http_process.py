"""`python -m server.http` as a supervisor runs it, for suites that need it beside a server."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.services import wait_for


@dataclass
class HttpProcess:
    """The process and where it listens."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def http_process(
    folder: Path, servers: str, *, listen: str = "", port: int = 0, **more: str
) -> Iterator[HttpProcess]:
    """A process on the data folder, for these server processes; on a free port if not told."""
    port = 0 if listen else port or free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_DATA_DIR": str(folder),
        "RUSHES_HTTP_LISTEN": listen or f"127.0.0.1:{port}",
        "RUSHES_SERVERS": servers,
        "PYTHONWARNINGS": "error",
    }
    number = len(list(folder.glob("http-*.log")))
    log = folder / f"http-{number}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.http"],
            env={**kept, **ours, **more},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = HttpProcess(process, port, log)
    try:
        wait_for(lambda: _listens(running, listen), "the HTTP process")
        yield running
    finally:
        process.terminate()
        process.wait(20)


def _listens(running: HttpProcess, listen: str) -> bool:
    assert running.process.poll() is None, running.log.read_text()
    if listen:
        family, address = socket.AF_UNIX, listen.removeprefix("unix:")
        with contextlib.suppress(OSError), socket.socket(family) as probe:
            probe.connect(address)
            return True
        return False
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", running.port), 1):
        return True
    return False
