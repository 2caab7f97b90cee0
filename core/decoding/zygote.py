"""The zygote's parent: starts it, and asks it to decode one file after another."""

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from core.decoding.child import ASKED

# No answer is larger: a head and a thumbnail. A shrunk image may take its pixels besides.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
GRACE_SECONDS = 2.0
END_SECONDS = 5.0
END_SOON_SECONDS = 0.2
# What an interpreter may need to start. Keys and addresses are not among them.
_KEPT = ("LD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One file's limits, as the zygote gets them."""

    max_pixels: int
    videos: bool
    cpu_seconds: float
    clock_seconds: float
    memory_bytes: int
    shrink_to: int = 0

    @property
    def answer_bytes(self) -> int:
        """The most that the child may answer."""
        return MAX_ANSWER_BYTES + 4 * self.shrink_to**2

    def packed(self) -> bytes:
        """The message to the zygote."""
        return ASKED.pack(
            self.max_pixels,
            self.videos,
            self.cpu_seconds,
            self.clock_seconds,
            self.memory_bytes,
            self.shrink_to,
        )


class Zygote:
    """The process that forks a child for each file; started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        atexit.register(self.close)

    def ask(self, asked: Asked, file: int) -> bytes:
        """What the child says about the file; nothing when it was killed.

        Raises:
            OSError: when no process can be started.
        """
        for last in (False, True):
            process, answer = self._send(asked, file)
            with answer:
                said = _received(answer, asked.clock_seconds + GRACE_SECONDS, asked.answer_bytes)
            if said or last or not _has_died(process):
                return said
            # The zygote died, not the child: that says nothing about the file.
        raise AssertionError("the last try returns")

    def close(self) -> None:
        """Ends it; nothing happens if it does not run."""
        with self._lock:
            self._end()

    def _send(self, asked: Asked, file: int) -> tuple["subprocess.Popen[bytes]", socket.socket]:
        """The zygote that was asked, and where its child will answer."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                for last in (False, True):
                    process, control = self._running()
                    try:
                        socket.send_fds(control, [asked.packed()], [theirs.fileno(), file])
                        return process, ours
                    except OSError:
                        self._end()
                        if last:
                            raise
        except BaseException:
            ours.close()
            raise
        raise AssertionError("the last try returns or raises")

    def _running(self) -> tuple["subprocess.Popen[bytes]", socket.socket]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None or self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                self._process = _start(theirs.fileno())
        return self._process, self._control

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            self._process.kill()
            self._process.wait()
        self._process = self._control = None


def _start(control: int) -> "subprocess.Popen[bytes]":
    """The process; it ends when the other side of `control` is closed."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "core.decoding.child", str(control)],
        pass_fds=[control],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _has_died(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it ends now: its sockets are closed a moment before that can be seen."""
    try:
        process.wait(END_SOON_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _received(answer: socket.socket, seconds: float, most: int) -> bytes:
    """All that the child sends; nothing when it sends too much or takes too long."""
    deadline = time.monotonic() + seconds
    said = bytearray()
    try:
        while True:
            answer.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = answer.recv(65_536)
            if not piece:
                return bytes(said)
            said += piece
            if len(said) > most:
                return b""
    except OSError:
        return b""
