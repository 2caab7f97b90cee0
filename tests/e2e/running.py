"""`python -m standalone` as a person runs it, and what one needs to call it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from rushes import AsyncClient, Client
from tests.e2e.processes import Process, descendants
from tests.e2e.rest import Rest
from tests.services import wait_for
from tests.tokens import make_token

READY_SECONDS = 60.0
END_SECONDS = 20.0
# A runaway test is stopped by the test's own limits, never by these.
GENEROUS = {"RUSHES_USER_REQUESTS_PER_SECOND": "10000", "RUSHES_USER_REQUEST_BURST": "10000"}


def start_standalone(data: Path, port: int, out: Path, **more: str) -> "subprocess.Popen[bytes]":
    """Starts it; what it prints goes to `out`."""
    with out.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "standalone"],
            env=environment(data, RUSHES_PORT=str(port), **GENEROUS, **more),
            stdout=file,
            stderr=file,
        )


def environment(data: Path, **more: str) -> dict[str, str]:
    """The environment of a process that is to use `data`."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUSHES_")}
    return {**clean, "RUSHES_DATA_DIR": str(data), **more}


class Running:
    """One data folder and the run on it; it can be ended, killed and started again."""

    def __init__(self, folder: Path, port: int, **more: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port
        self._out = folder / "out"
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None

    def more(self, **variables: str) -> None:
        """Variables that the next start gets besides."""
        self._more |= variables

    def start(self) -> None:
        """Starts it and waits until it says `ready`."""
        self._out.write_bytes(b"")
        self._process = start_standalone(self.data, self.port, self._out, **self._more)
        wait_for(self._ready, "the standalone to be ready", READY_SECONDS)

    @property
    def printed(self) -> str:
        """What it said since its start."""
        return self._out.read_text()

    @property
    def pid(self) -> int:
        """The supervisor."""
        assert self._process is not None
        return self._process.pid

    @property
    def processes(self) -> set[Process]:
        """What the supervisor started, and what that started."""
        return descendants(self.pid)

    def child(self, name: str) -> Process | None:
        """The supervised process of this name; None while it is away."""
        return next((process for process in self.processes if process.role == name), None)

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(END_SECONDS)

    def kill(self) -> None:
        """kill -9 of the supervisor alone; nothing when it has ended."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends what a failed test left."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(END_SECONDS)

    def token(self, user_id: str) -> str:
        """A token of the user, made with the key of the data folder."""
        return make_token(self.data / "keys" / "jwt.key", user_id)

    def client(self, user_id: str) -> Client:
        return Client(f"localhost:{self.port}", self.token(user_id))

    def async_client(self, user_id: str) -> AsyncClient:
        return AsyncClient(f"localhost:{self.port}", self.token(user_id))

    def rest(self, user_id: str) -> Rest:
        return Rest(self.port, self.token(user_id))

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.printed
        return "ready http://" in self.printed
