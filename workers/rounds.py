"""Rounds: a part of the worker process that works in an asyncio loop, in a thread of its own.

A round begins tasks, and what they came to is written down by a later one. No task waits in a
thread or for another, so thousands of them can be under way.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from core.errors import RushesError
from workers.loop import Loop, LoopPart

log = structlog.get_logger()

T = TypeVar("T")


class Rounds(LoopPart):
    """A part that makes rounds until it is stopped, and then ends its tasks.

    Between two rounds it rests as long as `_round` said, or until a task ends or a nudge comes, but
    at least `least_pause` seconds, so that what ends meanwhile shares a transaction. After a round
    that failed it rests for `look_seconds`. `threads` serve the database.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        least_pause: float,
        look_seconds: float,
        new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self._name = name
        self._least_pause = least_pause
        self._look_seconds = look_seconds
        self._pool = ThreadPoolExecutor(threads, name)
        self._asyncio = new_loop()
        self._woken = asyncio.Event()
        # Each task with what it is counted by.
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._loop = Loop(name, self._main, 0)

    def stop(self) -> None:
        """Asks the thread to end, and hurries the tasks that are under way."""
        super().stop()
        if self._loop.alive:
            self._asyncio.call_soon_threadsafe(self._hurry)
        self.nudge()

    def nudge(self) -> None:
        """Says that there is something to do."""
        if self._loop.alive:
            self._asyncio.call_soon_threadsafe(self._woken.set)

    def close(self) -> None:
        """Ends the thread."""
        self.stop()
        super().close()
        self._pool.shutdown()
        self._asyncio.close()

    async def _round(self) -> float:
        """One round. Returns the seconds until the next one, which a task that ends brings on."""
        raise NotImplementedError

    async def _write_down(self) -> None:
        """Writes down what came of the tasks since the last time."""
        raise NotImplementedError

    def _hurry(self) -> None:
        """Makes the tasks that are under way end soon."""
        raise NotImplementedError

    def _begin(self, work: Awaitable[None], counted_by: str) -> None:
        """Begins a task."""
        task = asyncio.ensure_future(work, loop=self._asyncio)
        assert isinstance(task, asyncio.Task)
        self._under_way[task] = counted_by
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        self._woken.set()
        # What such a task came to is unknown: its claim is due again after its lease.
        if not task.cancelled() and (error := task.exception()):
            log.error("task_crashed", loop=self._name, error=type(error).__name__)

    def _main(self) -> None:
        self._asyncio.run_until_complete(self._run())
        # Closes the connections that were opened in this loop.
        self._asyncio.run_until_complete(self._asyncio.shutdown_asyncgens())

    async def _run(self) -> None:
        while not self._loop.stopping:
            await self._rest(await self._safely(self._round))
        self._hurry()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._safely(self._write_down)

    async def _safely(self, work: Callable[[], Awaitable[float | None]]) -> float:
        try:
            return await work() or 0
        except RushesError as error:
            log.warning("round_failed", loop=self._name, error=type(error).__name__)
        except Exception as error:
            log.exception("round_crashed", loop=self._name, error=type(error).__name__)
        return self._look_seconds

    async def _rest(self, seconds: float) -> None:
        if not self._loop.stopping:
            await asyncio.sleep(self._least_pause)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds - self._least_pause):
                await self._woken.wait()
        self._woken.clear()

    async def _in_pool(self, work: Callable[..., T], *values: Any) -> T:
        return await self._asyncio.run_in_executor(self._pool, work, *values)
