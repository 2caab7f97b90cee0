"""`python -m tests.crash.forkserver <fd> server|workers [<bug>]`: the process that is forked.

It has one thread, and nothing of the product has run in it but imports. The socket at `fd` brings
requests, each with a log and a pipe, into which go the new process's id and later its exit code.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

MAX_REQUEST_BYTES = 1024 * 1024
# Of Linux' <sys/prctl.h>.
PR_SET_PDEATHSIG = 1
# The SDKs of providers too, which workers import when a setting asks for them.
SDKS = ("google.genai", "google.auth.transport.requests", "openai")


@dataclass(frozen=True)
class _Child:
    pid: int
    pidfd: int
    reports: Connection


class Zygote:
    """Forks on request, and tells how its children end, until nobody can ask any more."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._children: dict[int, _Child] = {}
        # Ctrl-C is for the children alone: ours is the end of the requests.
        self._on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def serve(self) -> Callable[[], None] | None:
        """Comes back twice: at the end with None, and in each child with what makes it fresh."""
        # Not epoll, which a child would share.
        with selectors.PollSelector() as selector:
            selector.register(self._requests, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd in self._children:
                        selector.unregister(key.fd)
                        self._bury(self._children.pop(key.fd))
                        continue
                    request, fds, _, _ = socket.recv_fds(self._requests, MAX_REQUEST_BYTES, 2)
                    if not request:
                        return self._end()
                    child = self._fork(fds)
                    if child is None:
                        return lambda: self._refresh(json.loads(request), *fds)
                    self._children[child.pidfd] = child
                    selector.register(child.pidfd, selectors.EVENT_READ)

    def _fork(self, fds: list[int]) -> _Child | None:
        """None in the child."""
        own, pid = os.getpid(), os.fork()
        if pid == 0:
            _die_with(own)
            return None
        log, reports = fds
        os.close(log)
        child = _Child(pid, os.pidfd_open(pid), Connection(reports, readable=False))
        _tell(child, pid)
        return child

    def _bury(self, child: _Child) -> None:
        _, how = os.waitpid(child.pid, 0)
        _tell(child, os.waitstatus_to_exitcode(how))
        child.reports.close()
        os.close(child.pidfd)

    def _end(self) -> None:
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)
            self._bury(child)

    def _refresh(self, request: dict[str, Any], log: int, reports: int) -> None:
        """Leaves nothing of ours in the child."""
        os.close(reports)
        self._requests.close()
        for child in self._children.values():
            child.reports.close()
            os.close(child.pidfd)
        for output in (1, 2):
            os.dup2(log, output)
        os.close(log)
        signal.signal(signal.SIGINT, self._on_interrupt)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])


def _die_with(parent: int) -> None:
    """If the parent is killed, nobody else knows of us."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _tell(child: _Child, number: int) -> None:
    try:
        child.reports.send(number)
    except BrokenPipeError:
        # Whoever started it does not care any more.
        return


def load(role: str, bug: str | None) -> None:
    """Imports what a process of that role does, with the bug if there is one."""
    if bug is not None:
        from tests.crash.planted import BUGS, Planter

        sys.meta_path.insert(0, Planter(BUGS[bug]))
    importlib.import_module(f"{role}.app")
    if role == "workers" and bug is None:
        for name in SDKS:
            importlib.import_module(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == 1, f"{threads} threads after the imports; a fork has only one of them"
    # The collector would touch, and so copy, all of it in each child.
    gc.collect()
    gc.freeze()


def main(fd: int, role: str, bug: str | None = None) -> None:
    """In a child: the role, as `python -m` runs it."""
    load(role, bug)
    refresh = Zygote(socket.socket(fileno=fd)).serve()
    if refresh is not None:
        refresh()
        sys.argv = [role]
        runpy.run_module(role, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
