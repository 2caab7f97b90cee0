"""The signal that wakes one watcher."""

import asyncio
import time
from collections.abc import Callable


class Signal:
    """Wakes one watcher: for durable changes at once, for progress from `progress_at` on.

    A watcher has no timer of its own. The hub calls `pulse` several times a second, and it wakes
    the watcher at `due` and gives a write up that takes too long. Only progress that comes too
    early sets a timer. Times are those of `time.monotonic`. Belongs to one event loop.
    """

    __slots__ = (
        "_is_set",
        "_timer",
        "_waiter",
        "due",
        "give_up",
        "is_due",
        "progress_at",
        "write_until",
    )

    def __init__(self) -> None:
        self.progress_at = float("-inf")
        # When something is to be done though there is no news, and whether that time has come.
        self.due = float("inf")
        self.is_due = True
        # By when the write that is under way must have ended, and what ends it.
        self.write_until = float("inf")
        self.give_up: Callable[[], object] | None = None
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Wakes the watcher, or lets its next `wait` return at once."""
        self._is_set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def set_for_progress(self) -> None:
        """Wakes the watcher as soon as it may send progress."""
        left = self.progress_at - time.monotonic()
        if left <= 0:
            self.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._on_time)

    def pulse(self, now: float) -> None:
        """Does what is due."""
        if now >= self.due:
            self.make_due()
        if now >= self.write_until and self.give_up is not None:
            self.write_until = float("inf")
            self.give_up()

    def make_due(self) -> None:
        """Wakes the watcher to look at everything."""
        self.is_due = True
        self.set()

    def clear(self) -> None:
        """Makes the next `wait` wait."""
        self._is_set = False

    async def wait(self) -> None:
        """Returns when the signal is set, which it may be already."""
        if self._is_set:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        """Ends the timer. The watcher is gone."""
        self.give_up = None
        if self._timer is not None:
            self._timer.cancel()

    def _on_time(self) -> None:
        self._timer = None
        self.set()
