"""Starts all processes in order, says when jobs can run, and ends the processes in order.

Servers and workers end first, so that watchers see the drain. The HTTP process follows, then Envoy,
which carried the last answers. Valkey ends last, when no process needs it any more.
"""

import asyncio
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from standalone.child import Child, ChildKeepsDying, Command, Patience, Place, Probe
from standalone.screen import Screen

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds after the begin of the stop. Each stage has ended by then, or is no longer waited for.
SERVERS_BY, HTTP_BY, EDGE_BY, WORKERS_BY = 3.0, 3.4, 3.7, 4.0
VALKEY_SECONDS = 0.3
POLL_SECONDS = 0.02
SLOW_START_SECONDS = 10.0


@dataclass(frozen=True)
class Roles:
    """What to run. `answers` says whether the one address serves; None without an edge.

    Workers may take `drain_run_seconds` to end.
    """

    servers: tuple[Command, ...]
    http: Command
    workers: tuple[Command, ...]
    valkey: Command | None = None
    edge: Command | None = None
    answers: Probe | None = None
    drain_run_seconds: float = WORKERS_BY


class Supervisor:
    """Runs all roles until it is asked to stop, or until one of them cannot be kept running."""

    def __init__(
        self, roles: Roles, place: Place, screen: Screen, patience: Patience | None = None
    ) -> None:
        def child(command: Command) -> Child:
            return Child(command, place, screen.log, patience)

        self.screen = screen
        self.answers = roles.answers
        self._workers_by = max(roles.drain_run_seconds, WORKERS_BY)
        self.valkey = [child(roles.valkey)] if roles.valkey else []
        self.servers = [child(command) for command in roles.servers]
        self.workers = [child(command) for command in roles.workers]
        self.http = [child(roles.http)]
        self.edge = [child(roles.edge)] if roles.edge else []
        self._tasks: dict[Child, asyncio.Task[None]] = {}
        self._over = asyncio.Event()
        self._reason = ""

    @property
    def children(self) -> list[Child]:
        """All children, in the order of their start."""
        return [*self.valkey, *self.servers, *self.workers, *self.http, *self.edge]

    async def run(self, when_ready: Callable[[], None]) -> int:
        """Runs until SIGINT, SIGTERM or SIGHUP (0), or until a child keeps dying (1).

        `when_ready` is called once, when a job would run.
        """
        loop = asyncio.get_running_loop()
        # Under nohup a hangup is ignored.
        signals = [
            n for n in SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN
        ]
        for number in signals:
            loop.add_signal_handler(number, self._asked_to_stop)
        start = asyncio.create_task(self._start(when_ready))
        start.add_done_callback(self._start_failed)
        try:
            await self._over.wait()
        finally:
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            await self._stop()
            for number in signals:
                loop.remove_signal_handler(number)
        if self._reason:
            self.screen.fail(self._reason)
        return 1 if self._reason else 0

    async def _start(self, when_ready: Callable[[], None]) -> None:
        slow = asyncio.get_running_loop().call_later(SLOW_START_SECONDS, self._say_who_is_late)
        try:
            self._launch(self.valkey)
            await _all_ready(self.valkey)
            self._launch([*self.servers, *self.workers, *self.http])
            await _all_ready(self.servers)
            # Envoy starts after the servers, so that its first health check finds them.
            self._launch(self.edge)
            await _all_ready([*self.edge, *self.http])
            await _any_ready(self.workers)
            await _until(self.answers)
        finally:
            slow.cancel()
        when_ready()

    async def _stop(self) -> None:
        began = asyncio.get_running_loop().time()
        self._terminate([*self.servers, *self.workers])
        await self._ended(self.servers, began + SERVERS_BY)
        self._terminate(self.http)
        await self._ended(self.http, began + HTTP_BY)
        self._terminate(self.edge)
        await self._ended(self.edge, began + EDGE_BY)
        await self._ended(self.workers, began + WORKERS_BY)
        if self._workers_by > WORKERS_BY and not all(self._is_over(c) for c in self.workers):
            self.screen.log(
                "waiting for answers that are paid for (Ctrl-C again to stop immediately)"
            )
            await self._ended(self.workers, began + self._workers_by)
        self._terminate(self.valkey)
        now = asyncio.get_running_loop().time()
        await self._ended(self.children, now + VALKEY_SECONDS)
        self._kill()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _launch(self, children: Iterable[Child]) -> None:
        for child in children:
            task = asyncio.create_task(child.run(), name=child.name)
            task.add_done_callback(self._child_over)
            self._tasks[child] = task

    def _child_over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._reason = self._reason or _sentence(task.get_name(), error)
            self._over.set()

    def _start_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._reason = self._reason or _sentence("the start", error)
            self._over.set()

    def _asked_to_stop(self) -> None:
        if self._over.is_set():
            self._kill()
        else:
            self.screen.log("stopping (Ctrl-C again to stop immediately)")
        self._over.set()

    def _terminate(self, children: Iterable[Child]) -> None:
        for child in children:
            child.terminate()

    def _kill(self) -> None:
        for child in self.children:
            child.terminate()
            child.kill()

    def _is_over(self, child: Child) -> bool:
        return child not in self._tasks or self._tasks[child].done()

    async def _ended(self, children: Iterable[Child], deadline: float) -> None:
        tasks = [self._tasks[child] for child in children if child in self._tasks]
        if tasks:
            left = max(deadline - asyncio.get_running_loop().time(), 0)
            await asyncio.wait(tasks, timeout=left)

    def _say_who_is_late(self) -> None:
        late = [child for child in self.children if not child.ready.is_set()]
        if late:
            names = ", ".join(child.name for child in late)
            self.screen.log(f"still waiting for {names}; logs are in {late[0].log.parent}")


async def _all_ready(children: Iterable[Child]) -> None:
    for child in children:
        await child.ready.wait()


async def _until(answers: Probe | None) -> None:
    while answers:
        if await answers():
            return
        await asyncio.sleep(POLL_SECONDS)


async def _any_ready(children: Iterable[Child]) -> None:
    waits = [asyncio.create_task(child.ready.wait()) for child in children]
    try:
        if waits:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _sentence(name: str, error: BaseException) -> str:
    if isinstance(error, ChildKeepsDying):
        return str(error)
    return f"{name} failed: {type(error).__name__}: {error}"
