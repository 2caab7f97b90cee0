"""Telling, after the commit and best effort: whatever is not told is found in the database."""

import time
from collections.abc import Callable

import dramatiq
import redis
import structlog
from redis.exceptions import RedisClusterException

from core.events import Event, ProgressTick
from core.jobs import EventType
from core.queue import JobQueue
from core.stream import EventStream

log = structlog.get_logger()

PAUSE_SECONDS = 0.5
TELL_ERRORS = (
    *(redis.RedisError, RedisClusterException),  # the second is not one of the first
    *(dramatiq.BrokerConnectionError, OSError),
)
# After these a worker may have something to do.
_WAKES = {EventType.QUEUED, EventType.UPDATED}


class Teller:
    """Tells watchers and workers. Never raises: after a failure it keeps silent for a moment, so
    that a Redis that hangs does not slow down every request."""

    def __init__(self, stream: EventStream, queue: JobQueue) -> None:
        self._stream = stream
        self._queue = queue
        self._silent_until = 0.0

    def tell(self, event: Event) -> None:
        """Tells a committed event to watchers, and to workers what waits."""
        self._try(lambda: self._stream.publish(event))
        if event.type in _WAKES:
            self.wake(event.job.kind)

    def tell_progress(self, tick: ProgressTick) -> None:
        """Tells how far a run is."""
        self._try(lambda: self._stream.publish_progress(tick))

    def wake(self, queue: str) -> None:
        """Says that a job waits in the queue."""
        self._try(lambda: self._queue.wake(queue))

    def _try(self, tell: Callable[[], None]) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            tell()
        except TELL_ERRORS as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            log.warning("tell_failed", error=type(error).__name__)
