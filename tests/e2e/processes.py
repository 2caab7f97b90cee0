"""The processes of this machine as Linux shows them; elsewhere there are none to be seen."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROC = Path("/proc")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@dataclass(frozen=True)
class Process:
    """One life of a process: ids are used again, start times are not."""

    pid: int
    born: str

    @property
    def lives(self) -> bool:
        """Whether it runs; one that only waits to be reaped does not."""
        found = _read(self.pid)
        return found is not None and found[0] == self

    @property
    def program(self) -> str:
        """The name of its binary."""
        try:
            return (PROC / str(self.pid) / "exe").readlink().name
        except OSError:
            return ""

    @property
    def role(self) -> str:
        """What its supervisor calls it, by the socket that it gave it; empty for another one's."""
        try:
            variables = (PROC / str(self.pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            return ""
        pairs = dict(variable.partition(b"=")[::2] for variable in variables)
        return Path(pairs.get(b"NOTIFY_SOCKET", b"").decode()).stem

    @property
    def command(self) -> bytes:
        """Its command line; empty when it has ended."""
        try:
            return (PROC / str(self.pid) / "cmdline").read_bytes()
        except OSError:
            return b""

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)


def descendants(pid: int) -> set[Process]:
    """The children of a process, theirs, and so on."""
    found = [entry for path in PROC.glob("[0-9]*") if (entry := _read(int(path.name)))]
    below: set[Process] = set()
    wanted = {pid}
    while wanted:
        children = {process for process, parent in found if parent in wanted} - below
        below |= children
        wanted = {process.pid for process in children}
    return below


def children(pid: int) -> set[Process]:
    """What the process started itself."""
    found = (_read(int(path.name)) for path in PROC.glob("[0-9]*"))
    return {entry[0] for entry in found if entry and entry[1] == pid}


def _read(pid: int) -> tuple[Process, int] | None:
    try:
        # After the name, which may hold anything: state, parent, ... and the start time.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    return Process(pid, fields[19]), int(fields[1])
