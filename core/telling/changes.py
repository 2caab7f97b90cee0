"""Changes of jobs: each is one transaction, and after its commit it is counted and told.

Telling is best effort: watchers and workers find in the database every change that was not told.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import structlog

from core.errors import DependencyUnavailable, RequestError
from core.events import Event, ProgressTick, UserChange
from core.jobs import EventType, Job
from core.process import failpoints, metrics
from core.store import Database
from core.telling.stream import EventStream
from core.telling.wakeups import JobQueue

log = structlog.get_logger()

PAUSE_SECONDS = 0.5
# After these events a worker may have something to do.
_WAKES = {EventType.QUEUED, EventType.UPDATED}
_ENDS = {EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED}


class HasEvent(Protocol):
    """The result of a transaction that may have written an event."""

    @property
    def event(self) -> Event | None:
        """The event that the transaction wrote; None when it changed nothing."""


class HasChange(Protocol):
    """The result of a transaction that may have written a change that is about no job."""

    @property
    def change(self) -> UserChange | None:
        """The change that the transaction wrote; None when it changed nothing."""


Own = TypeVar("Own", bound=HasChange)
Made = TypeVar("Made", bound=Event | HasEvent | None)
Each = TypeVar("Each", bound=HasEvent | RequestError | None)


class Changes:
    """Makes changes of jobs, and tells each after its commit."""

    def __init__(self, db: Database, teller: "Teller") -> None:
        self._db = db
        self._teller = teller

    def make(self, change: Callable[[Database], Made]) -> Made:
        """Runs the transaction `change`, then counts and tells the event that it wrote.

        Returns what `change` returns. Raises what it raises; then nothing is told.
        """
        made = change(self._db)
        event = made if isinstance(made, Event) or made is None else made.event
        if event is not None:
            self._teller.tell(event)
        return made

    def make_all(self, change: Callable[[Database], Sequence[Each]]) -> Sequence[Each]:
        """The same for several changes of one transaction; a refusal or None tells nothing."""
        made = change(self._db)
        found = [one.event for one in made if one is not None and not isinstance(one, RequestError)]
        self._teller.tell_all([event for event in found if event is not None])
        return made

    def make_own(self, change: Callable[[Database], Own]) -> Own:
        """The same for a change of the user that is about no job."""
        made = change(self._db)
        if made.change is not None:
            self._teller.tell_change(made.change)
        return made


class Teller:
    """Tells watchers and workers what has happened.

    It never raises. After a failure it keeps silent for a moment, so that a Redis that hangs does
    not slow down every request.
    """

    def __init__(self, stream: EventStream, queue: JobQueue) -> None:
        self._stream = stream
        self._queue = queue
        self._silent_until = 0.0

    def tell(self, event: Event) -> None:
        """Counts a committed event, tells it to watchers, and wakes a worker if a job waits."""
        _count(event)
        wakes = _wakes(event)
        failpoints.hit("tell.before_publish")
        told = ("event", "wake_up") if wakes else ("event",)
        self._try(lambda: self._stream.publish(event, wakes), *told)
        failpoints.hit("tell.after_publish")

    def tell_all(self, events: Sequence[Event]) -> None:
        """The same for several events at once, which are in the order of each user's revisions."""
        if not events:
            return
        for event in events:
            _count(event)
        told = [(event, _wakes(event)) for event in events]
        failpoints.hit("tell.before_publish")
        whats = [what for _, wakes in told for what in ("event", *(["wake_up"] if wakes else []))]
        self._try(lambda: self._stream.publish_all(told), *whats)
        failpoints.hit("tell.after_publish")

    def tell_change(self, change: UserChange) -> None:
        """Tells watchers a committed change that is about no job."""
        failpoints.hit("tell.before_publish")
        self._try(lambda: self._stream.publish_change(change), "event")
        failpoints.hit("tell.after_publish")

    def tell_progress(self, tick: ProgressTick) -> None:
        """Tells how far a run is."""
        self._try(lambda: self._stream.publish_progress(tick), "progress")

    def wake(self, queue: str) -> None:
        """Says that a job waits in the queue."""
        self._try(lambda: self._queue.wake(queue), "wake_up")

    def _try(self, tell: Callable[[], None], *what: str) -> None:
        if time.monotonic() < self._silent_until:
            _count_untold(what)
            return
        try:
            tell()
        except DependencyUnavailable as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            _count_untold(what)
            log.warning("tell_failed", error=type(error.__cause__ or error).__name__)


def _wakes(event: Event) -> str:
    """The queue in which a worker may have something to do now."""
    return event.job.queue if event.type in _WAKES else ""


def _count(event: Event) -> None:
    metrics.JOB_EVENTS.labels(event.type).inc()
    if event.type in _ENDS and event.job.attempt > 1:
        # `attempt` rises at a start and at each lost lease, and at nothing else.
        metrics.LEASES_EXPIRED.labels(event.job.queue).inc(event.job.attempt - 1)
    if event.type is EventType.FAILED and event.job.failure is not None:
        metrics.JOB_FAILURES.labels(event.job.failure.reason).inc()
    if event.type in _ENDS:
        _count_charge(event.job)


def _count_untold(what: Sequence[str]) -> None:
    for name in what:
        metrics.TELL_FAILURES.labels(name).inc()


def _count_charge(job: Job) -> None:
    """Counts and logs a charge above its estimate: a price in the models file is too low."""
    cost = job.cost
    if cost.actual_micros is not None and cost.actual_micros > cost.estimated_micros:
        metrics.CHARGES_ABOVE_ESTIMATE.labels(job.provider).inc()
        log.warning(
            "charged_above_estimate",
            job_id=job.job_id,
            model=job.spec.model,
            estimated_micros=cost.estimated_micros,
            actual_micros=cost.actual_micros,
        )
