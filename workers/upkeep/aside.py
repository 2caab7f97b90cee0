"""Calls of providers whose results no run needs, in a thread of their own. So a provider that hangs
delays neither a run, nor the rescuer, nor the end of the process."""

import contextlib
from collections import deque
from collections.abc import Callable

import structlog

from workers.loop import Loop, LoopPart

log = structlog.get_logger()

CLOSE_SECONDS = 1.0


class Aside(LoopPart):
    """A thread that makes one call after the other."""

    vital = False

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        # A call that takes too long is left under way at the end.
        self._loop = Loop(
            "aside", self._drain, None, last_round=True, patience_seconds=CLOSE_SECONDS
        )

    def __call__(self, work: Callable[[], None]) -> None:
        """Makes the call soon."""
        self._waiting.append(work)
        self._loop.wake()

    def stop(self) -> None:
        """Does nothing: runs that are ending may still have calls to make."""

    def _drain(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._make(self._waiting.popleft())

    def _make(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            log.exception("aside_failed", error=type(error).__name__)
