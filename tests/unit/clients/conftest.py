"""The stand-in servers, and the command line as a process."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.clients.stand_in import DEADLINE_SECONDS, Files, StandIn

TOKEN = "the-token"


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()  # type: ignore[abstract]
    yield stand_in
    stand_in.stop()


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    yield files
    files.stop()


@dataclass
class Result:
    """What a finished command left."""

    code: int
    out: str
    err: str


@dataclass
class CommandLine:
    """`rushes` as a process in a folder of its own, signed in at the stand-in."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(stdin, timeout=DEADLINE_SECONDS)
        return Result(process.returncode, out, err)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rushes.cli", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def on_terminal(self, *arguments: str) -> str:
        """What it prints on a terminal of a hundred columns, without colours."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "rushes.cli", *arguments],
            cwd=self.folder,
            env=self.environment | {"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"},
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        assert process.wait(DEADLINE_SECONDS) == 0
        printed = os.read(ours, 100_000).decode()
        os.close(ours)
        return re.sub(r"\x1b\[[0-9;]*m", "", printed)

    def interrupt(self, process: subprocess.Popen[str]) -> Result:
        """Ctrl-C."""
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
        return Result(process.returncode, out, err)


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """A command line that knows no server."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # Without this a data folder beside the virtual environment would be found.
    kept["RUSHES_DATA_DIR"] = str(tmp_path / "data")
    kept["PYTHONUTF8"] = "1"
    return CommandLine(tmp_path, kept)


@pytest.fixture
def cli(alone: CommandLine, server: StandIn) -> CommandLine:
    """A command line that is signed in at the stand-in."""
    named = {"RUSHES_SERVER": server.address, "RUSHES_TOKEN": TOKEN}
    return CommandLine(alone.folder, alone.environment | named)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for a condition, with a deadline."""
    import time

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.01)

    return wait
