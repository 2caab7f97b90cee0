"""Starts servers and workers as forks of a process that has imported them: `start`.

A fresh Python needs a second of a core before it does any work, and a suite that kills all the time
would mostly kill imports. What is forked is as fresh in all that is not an import: environment,
settings, logs, signals, threads and connections. What is not: forks of one server share the seed of
`hash`, thus the order of sets, and have all SDKs in memory; a setting that were read by an import
would be missed. `CRASH_EXEC=1` starts everything by `python -m`.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO

EXEC_ALL = "CRASH_EXEC"
# Our settings, and what pytest notes for whoever looks: nothing reads these while it is imported.
_LATE = ("RUSHES_", "PYTEST_")
ROLES = ("server", "server.http", "workers")
PLANTED = "tests.crash.planted"
# What is loaded reads these before we could set them.
_OWN_ENV = {
    # A thread can't be forked.
    "OPENBLAS_NUM_THREADS": "1",
    "GRPC_ENABLE_FORK_SUPPORT": "false",
}


class Forked:
    """A process that the fork server started, as `subprocess.Popen` would show it."""

    def __init__(self, args: list[str], reports: Connection) -> None:
        self.args = args
        self.returncode: int | None = None
        self._reports = reports
        self._lock = threading.Lock()
        self.pid = self._hear()

    def poll(self) -> int | None:
        """How it ended: minus the signal's number if by one; None while it runs."""
        with self._lock:
            if self.returncode is None and self._reports.poll():
                self.returncode = self._hear()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The same when it has ended.

        Raises:
            subprocess.TimeoutExpired: when it runs for longer than so many seconds.
        """
        if self.returncode is None:
            self._reports.poll(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing happens when it has ended."""
        # It is collected a moment before we hear of it; no new process has its id so soon.
        if self.poll() is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _hear(self) -> int:
        try:
            told: int = self._reports.recv()
        except EOFError:
            raise RuntimeError(f"the fork server of {self.args} is gone") from None
        return told


class ForkServer:
    """One process that has imported a role of the product; each start is a fork of it.

    bug: what is planted into what it imports, if anything. What it started dies with it,
    however it ends.
    """

    def __init__(self, role: str, bug: str | None = None) -> None:
        self._args = [role, *([bug] if bug else [])]
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", __name__, str(theirs.fileno()), *self._args]
        with theirs:
            env, fd = {**_ENV, **_OWN_ENV}, theirs.fileno()
            # Not ours, which may be a terminal: Python buffers less for one than for a log.
            quiet = subprocess.DEVNULL
            self._process = subprocess.Popen(command, pass_fds=[fd], env=env, stdout=quiet)

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, env: dict[str, str], log: IO[bytes]) -> Forked:
        """A new process with that environment, whose output goes to the log. For any thread.

        Raises:
            RuntimeError: when the fork server has ended.
        """
        reports, theirs = Pipe(duplex=False)
        request = json.dumps({"env": env, "cwd": os.getcwd()}).encode()
        with theirs:
            fds = [log.fileno(), theirs.fileno()]
            try:
                socket.send_fds(self._requests, [request], fds)
            except ConnectionError:
                raise RuntimeError(f"the fork server of {self._args} has ended") from None
        return Forked(self._args, reports)

    def close(self) -> None:
        """Ends it, and what it started."""
        self._requests.close()
        self._process.wait()


def plain(env: dict[str, str]) -> dict[str, str]:
    """The environment without what may differ between a fork and us."""
    return {name: value for name, value in env.items() if not name.startswith(_LATE)}


# Every fork server's: one that started earlier has not imported with what was changed since.
_ENV = plain(dict(os.environ))
_lock = threading.Lock()
_running: dict[tuple[str, ...], ForkServer] = {}


def start(
    command: list[str], env: dict[str, str], log: IO[bytes], fresh: bool = False
) -> "Forked | subprocess.Popen[bytes]":
    """Starts the command: as a fork if it can be one, and if it need not be `fresh`."""
    what = tuple(command[2:])
    if fresh or os.environ.get(EXEC_ALL) or not can_fork(command, env):
        return subprocess.Popen(command, env=env, stdout=log, stderr=log)
    with _lock:
        if what not in _running:
            # Bugs come one after the other, so one that is over needs no fork server any more.
            _close([one for one in _running if what[0] == one[0] == PLANTED and what[1] != one[1]])
            _running[what] = ForkServer(role=what[-1], bug=what[1] if what[0] == PLANTED else None)
        server = _running[what]
    return server.start(env, log)


def can_fork(command: list[str], env: dict[str, str]) -> bool:
    """Whether it is `python -m` of a role, and differs from us in nothing but settings.

    Anything else in an environment, such as LD_PRELOAD, may be read while a program is loaded, and
    arguments would not arrive.
    """
    python, what = command[:2], command[2:]
    known = len(what) == 1 or (len(what) == 3 and what[0] == PLANTED)
    is_role = python == [sys.executable, "-m"] and known and what[-1] in ROLES
    return is_role and plain(env) == _ENV


def _close(names: list[tuple[str, ...]]) -> None:
    for name in names:
        _running.pop(name).close()


@atexit.register
def _close_all() -> None:
    _close(list(_running))
