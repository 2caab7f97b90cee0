"""Calls to providers that nobody waits for: a provider that hangs keeps neither a run nor the
rescuer, nor the end of the process."""

import queue
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()

CLOSE_SECONDS = 1.0


class Aside:
    """A thread that does one thing after the other."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def __call__(self, work: Callable[[], None]) -> None:
        """Does it soon."""
        self._waiting.put(work)

    def close(self) -> None:
        """Ends the thread; what is under way for too long is left."""
        self._waiting.put(None)
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                work()
            except Exception as error:
                log.exception("aside_failed", error=type(error).__name__)
