"""The background tasks of the watches of one process."""

import asyncio
from collections.abc import Coroutine

from core.process.telemetry import get_logger

log = get_logger(__name__)


class Tasks:
    """Starts tasks and ends them together. Belongs to one event loop.

    `broken` is set when a vital task dies: watchers would wait for ever, so the process must end,
    and they go on elsewhere.
    """

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self._vital: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, work: Coroutine[None, None, None], *, vital: bool = False
    ) -> asyncio.Task[None]:
        """Runs the coroutine as a task, which the caller may cancel."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        if vital:
            self._vital.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancels every task and waits for it."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("watch_task_broke", exc_info=error)
            if task in self._vital:
                self.broken.set()
        self._vital.discard(task)
