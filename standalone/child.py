"""One supervised process: starts it, watches it, starts it again with back-off, and ends it.

A child tells its state by the systemd notify protocol (READY=1, WATCHDOG=1). A child that does not
speak it (Valkey, Envoy) has a probe, which the supervisor asks instead.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from standalone.logs import last_words, open_log, rotate_live
from standalone.restarts import Restarts
from standalone.systemd import NotifySocket

PR_SET_PDEATHSIG = 1
TICK_SECONDS = 0.5
# The exit code of our own processes after a sentence about what only a person can fix.
REFUSED = 2
Probe = Callable[[], Awaitable[bool]]
# Loaded before any fork: a child between fork and exec must not import or open libraries.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Command:
    """What to run. Without `probe` the child speaks the notify protocol."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    probe: Probe | None = None


@dataclass(frozen=True)
class Patience:
    """How long a child may be silent, in seconds."""

    start: float = 60.0
    watchdog: float = 20.0
    probe_starting: float = 0.02
    probe_running: float = 5.0


@dataclass(frozen=True)
class Place:
    """Folders that a child uses: `sockets` has a short path, `logs` keeps its output."""

    sockets: Path
    logs: Path


class ChildKeepsDying(Exception):
    """A child can't be kept running. The message tells people why."""


class Child:
    """A process that is kept running. `ready` is set while the process serves."""

    def __init__(
        self,
        command: Command,
        place: Place,
        tell: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self.name = command.name
        self.ready = asyncio.Event()
        self.log = place.logs / f"{command.name}.log"
        self._command = command
        self._place = place
        self._tell = tell
        self._patience = patience or Patience()
        self._restarts = Restarts()
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._heard_at = 0.0
        self._was_ready = False
        self._has_served = False
        self._refused = False
        # Where this run's part of the log begins.
        self._log_start = sys.maxsize

    @property
    def pid(self) -> int | None:
        """The process of this life; None between two lives."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """Keeps the process running until `terminate`.

        Raises:
            ChildKeepsDying: with the reason for people.
        """
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            born = clock()
            how = await self._live()
            if self._stopping.is_set():
                return
            if self._refused and not self._has_served:
                raise ChildKeepsDying(self._refusal(how))
            pause = self._restarts.pause_after(clock() - born, self._was_ready)
            if pause is None:
                raise ChildKeepsDying(self._obituary(how))
            self._tell(f"{self.name} ended ({how}); starting it again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    def terminate(self) -> None:
        """Asks the process to drain and end. It is not started again. Only the first call sends
        SIGTERM."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kills the process and what it started. `run` may start it again."""
        self._signal(signal.SIGKILL)

    async def _live(self) -> str:
        """Runs the process once, and says how it ended."""
        loop = asyncio.get_running_loop()
        self._heard_at, self._was_ready = loop.time(), False
        with contextlib.closing(NotifySocket(self._notify_path)) as notify:
            try:
                self._process = await self._spawn(notify.path)
            except OSError as error:
                return f"it can't be started: {error.strerror}"
            if self._stopping.is_set():
                self._signal(signal.SIGTERM)
            loop.add_reader(notify, self._hear, notify)
            guards = [asyncio.create_task(self._guard())]
            if self._command.probe:
                guards.append(asyncio.create_task(self._ask(self._command.probe)))
            try:
                code = await self._process.wait()
                self._refused = code == REFUSED and self._command.probe is None
                return _how(code)
            finally:
                for guard in guards:
                    guard.cancel()
                await asyncio.gather(*guards, return_exceptions=True)
                loop.remove_reader(notify)
                self.ready.clear()
                # Kills what the process started and left behind: it is in the process group.
                self._signal(signal.SIGKILL)
                self._process = None

    @property
    def _notify_path(self) -> Path:
        return self._place.sockets / f"{self.name}.notify"

    async def _spawn(self, notify: Path) -> asyncio.subprocess.Process:
        env = {**self._command.env, "NOTIFY_SOCKET": str(notify)}
        with open_log(self.log) as log:
            # A log that was rotated begins at 0.
            self._log_start = min(self._log_start, log.seek(0, os.SEEK_END))
            return await asyncio.create_subprocess_exec(
                *self._command.argv,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )

    def _hear(self, notify: NotifySocket) -> None:
        said = notify.read()
        if said:
            self._alive(ready="READY=1" in said)

    def _alive(self, ready: bool) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if ready:
            self._was_ready = self._has_served = True
            self.ready.set()

    async def _ask(self, probe: Probe) -> None:
        """Asks the probe of a child that does not speak the notify protocol."""
        while True:
            if await probe():
                self._alive(ready=True)
            pause = self._patience
            await asyncio.sleep(
                pause.probe_running if self.ready.is_set() else pause.probe_starting
            )

    async def _guard(self) -> None:
        """Kills the process when it has been silent for too long."""
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(TICK_SECONDS)
            self._rotate()
            late = clock() - before - TICK_SECONDS
            if late > TICK_SECONDS:
                self._heard_at += late  # the supervisor itself stood still and heard nobody
            limit = self._patience.watchdog if self.ready.is_set() else self._patience.start
            if clock() - self._heard_at > limit and not self._stopping.is_set():
                self._tell(f"{self.name} has been silent for {limit:g} s; ending it")
                self.kill()
                return

    def _rotate(self) -> None:
        # A disk that refuses is no reason to end the process.
        with contextlib.suppress(OSError):
            if rotate_live(self.log):
                self._log_start = 0

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            elif self._process.returncode is None:
                os.kill(self._process.pid, number)

    def _refusal(self, how: str) -> str:
        words = last_words(self.log, self._log_start)
        if not words:
            return self._obituary(how)
        sentence = re.sub(r"^rushes[a-z ]*: ", "", words[-1])
        return f"{self.name} can't start: {sentence}"

    def _obituary(self, how: str) -> str:
        words = last_words(self.log, self._log_start)
        said = " It said last:" + "".join(f"\n  {line}" for line in words) if words else ""
        return f"{self.name} keeps ending ({how}); its log is {self.log}.{said}"


def _die_with(parent: int) -> Callable[[], None] | None:
    """What makes the kernel kill the child when the supervisor is gone, also by SIGKILL (Linux)."""
    libc = _libc
    if libc is None:
        return None

    def between_fork_and_exec() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return between_fork_and_exec


def _how(code: int) -> str:
    """Exit code or signal, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
