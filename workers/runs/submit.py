"""The one place where money is spent: intent, call, journal, record; or RECONCILING.

Whatever happens after the intent was written and was not certainly free makes the job RECONCILING:
no exception, kill or lost connection leads to a second call.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from core.errors import DependencyUnavailable, LeaseLost, NotFound, StorageFull
from core.events import Event
from core.jobs import EventType, JobFailure, Outcome, Step
from core.process import failpoints
from core.store import Database, circuits, intents, submits
from core.store.claims import Claim
from core.store.submits import Begun
from core.telling.changes import Teller
from workers.endings import Endings, context
from workers.polls.paces import Paces
from workers.polls.ticker import Ticker
from workers.providers import (
    OutcomeUnknown,
    Provider,
    ProviderFailed,
    ReadInput,
    RunStopped,
    Submitted,
    TryLater,
)
from workers.runs.journal import Entry, Journal
from workers.runs.lease import Lease

log = structlog.get_logger()

T = TypeVar("T")

# A run that was frozen between the intent and the call must not call: its lease may be over.
GUARD_SECONDS = 1.0
# The one that goes on while the machine sleeps; that of macOS has another name.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
NO_ROOM_MS = 1000
# A provider that wants to be left alone longer than that means the one job.
MOST_REST_MS = 60_000
RECORD_PAUSE_SECONDS = 0.5
UNKNOWN_FIRST_POLL_MS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Submits jobs to paid providers, once each."""

    db: Database
    teller: Teller
    endings: Endings
    paces: Paces
    ticker: Ticker
    journal: Journal
    closing: threading.Event
    nudge_poller: Callable[[], None]
    worker_id: str
    user_concurrency: int
    circuit_failures: int
    circuit_ms: int

    def submit(
        self, claim: Claim, provider: Provider, lease: Lease, read_input: ReadInput
    ) -> Claim | None:
        """The claim at FETCH if the provider was done at once, else None: it is somebody's later.

        Raises:
            LeaseLost: when another run owns the job.
            RunStopped: when the run shall stop, and nothing was sent.
            ProviderFailed: when it can't be asked for like that, or an input is gone.
        """
        # Before the intent: what fails here costs nothing.
        plan = provider.plan(claim.job, read_input)
        began = time.clock_gettime(CLOCK)
        begun = self._begin(claim)
        if begun is None:
            self.endings.hand_back(claim, NO_ROOM_MS)
            return None
        self.teller.tell(begun.event)
        if begun.number is None:
            return None
        claim = replace(claim, job=begun.event.job, at_risk=True)
        if lease.stopping():
            self._refused(claim, begun.number, Outcome.NOT_SENT)
            raise RunStopped
        if _too_late(began, lease):
            # The database is slow: not again at once.
            self._refused(claim, begun.number, Outcome.NOT_SENT)
            self.endings.hand_back(claim, NO_ROOM_MS, claim.tries + 1)
            return None
        return self._send(claim, begun.number, provider, plan)

    def _send(self, claim: Claim, number: int, provider: Provider, plan: Any) -> Claim | None:
        """Makes the call that the intent is for, and writes down what came of it."""
        try:
            failpoints.hit("submit.before_send")
            submitted = self._call(claim, number, provider, plan)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the call may have been made
            self._unknown(claim, error)
            return None
        if isinstance(submitted, TryLater):
            self.endings.retry(replace(claim, at_risk=False), submitted)
            return None
        return self._record(claim, number, provider, submitted) if submitted else None

    def adopt(self, entry: Entry) -> Event | None:
        """Records an operation that was learned of late, or elsewhere.

        Raises:
            DependencyUnavailable, StorageFull: when the database can't take it.
        """
        where = entry.job_id, entry.number, entry.operation
        try:
            event = submits.accepted(
                self.db, *where, done=entry.done, charged_micros=entry.charged_micros
            )
        except NotFound:
            log.error("operation_of_unknown_job", job_id=entry.job_id, operation=entry.operation)
            return None
        if event is not None:
            log.info("operation_adopted", job_id=entry.job_id, number=entry.number)
            self.teller.tell(event)
        return event

    def _begin(self, claim: Claim) -> Begun | None:
        try:
            return submits.begin(self.db, claim.run, self.worker_id, self.user_concurrency)
        except (DependencyUnavailable, StorageFull):
            # It may have been committed, and only this run knows that nothing was sent.
            self._write(lambda: submits.retract(self.db, claim.run))
            raise

    def _call(
        self, claim: Claim, number: int, provider: Provider, plan: Any
    ) -> Submitted | TryLater | None:
        """What the provider answered; when it refused that is written down: for good (None) or for
        now."""
        key = intents.submission_key(claim.run.job_id, number)
        try:
            submitted = provider.submit(claim.job, key, plan)
        except ProviderFailed as error:
            self._refused(claim, number, Outcome.REJECTED, error.failure)
            return None
        except TryLater as error:
            self._leave_alone(claim.job.provider, error)
            self._refused(claim, number, Outcome.REJECTED if error.sent else Outcome.NOT_SENT)
            return error
        except Exception as error:
            # Whatever it was: the provider did not answer.
            self._count_failure(claim.job.provider)
            if isinstance(error, OutcomeUnknown) and error.late is not None:
                error.late.add_done_callback(lambda late: self._late(claim, number, provider, late))
            raise
        failpoints.hit("submit.after_answer")
        return submitted

    def _refused(
        self, claim: Claim, number: int, outcome: Outcome, failure: JobFailure | None = None
    ) -> None:
        """Writes down that nothing was accepted; that is true whoever owns the job by now."""
        try:
            self._write(lambda: submits.refused(self.db, claim.run, number, outcome, failure))
        except LeaseLost:
            self._write(lambda: submits.was_free(self.db, claim.run.job_id, number, outcome))
            raise

    def _leave_alone(self, provider: str, error: TryLater) -> None:
        """For as long as all jobs of the provider would meet the same."""
        if not error.sent:
            left_ms = self._count_failure(provider)
            error.delay_ms = max(error.delay_ms or 0, left_ms) or None
        elif error.delay_ms is not None:
            rest_ms = min(error.delay_ms, MOST_REST_MS)
            self._count(lambda: circuits.rest(self.db, provider, rest_ms))

    def _count_failure(self, provider: str) -> int:
        """For how many milliseconds the provider is left alone now.

        Before the outcome is written: a job that tries whether the provider works again keeps all
        others from it until then.
        """
        most, pause_ms = self.circuit_failures, self.circuit_ms
        left_ms = self._count(lambda: circuits.failed(self.db, provider, most, pause_ms)) or 0
        if left_ms:
            log.warning("provider_left_alone", provider=provider, pause_ms=left_ms)
        return left_ms

    def _count(self, change: Callable[[], T]) -> T | None:
        """Changes the circuit, if the database is there: the outcome matters more."""
        try:
            return change()
        except (DependencyUnavailable, StorageFull) as error:
            log.warning("circuit_not_written", error=type(error).__name__)
            return None

    def _unknown(self, claim: Claim, error: Exception) -> None:
        log.warning("submit_outcome_unknown", **context(claim), error=type(error).__name__)
        self.endings.make(lambda: submits.unknown(self.db, claim.run))

    def _record(
        self, claim: Claim, number: int, provider: Provider, submitted: Submitted
    ) -> Claim | None:
        where, charged = (claim.run.job_id, number), submitted.charged_micros
        entry = Entry(*where, submitted.operation, submitted.done, charged)
        delay_ms = self._first_poll_ms(claim, submitted)
        event = self._written(claim, provider, entry, delay_ms)
        if event is None or not submitted.done or event.type is EventType.STARTED:
            if event is not None and submitted.delay_ms is None:
                self.ticker.follow(event.job, age_ms=0, pause_ms=delay_ms, percent=0)
            self.nudge_poller()
            return None
        claim = replace(claim, job=event.job, charged_micros=charged)
        return replace(claim, step=Step.FETCH, operation=submitted.operation)

    def _first_poll_ms(self, claim: Claim, submitted: Submitted) -> int:
        if submitted.delay_ms is not None or submitted.done:
            return submitted.delay_ms or 0
        try:
            return self.paces.first_ms(claim.job)
        except Exception as error:  # noqa: BLE001 - nothing may keep the operation from its record
            log.warning("pace_unknown", **context(claim), error=type(error).__name__)
            return UNKNOWN_FIRST_POLL_MS

    def _written(
        self, claim: Claim, provider: Provider, entry: Entry, delay_ms: int = 0
    ) -> Event | None:
        """Records the operation, however long the database is away; at the end of the process the
        journal keeps it for others. None when the job does not wait for it any more."""
        try:
            self.journal.write(entry)
        except OSError as error:
            # The database alone must do.
            log.error("journal_not_written", **context(claim), error=type(error).__name__)
        failpoints.hit("journal.after_fsync")
        where = self.db, entry.job_id, entry.number, entry.operation
        charged = entry.charged_micros
        event = self._write(
            lambda: submits.accepted(
                *where, done=entry.done, delay_ms=delay_ms, charged_micros=charged
            ),
            lambda: self.journal.settled(entry),
        )
        if event is None and not self.closing.is_set():
            run = claim.run
            self.endings.release_orphan(provider, run.user_id, run.job_id, entry.operation)
        return event

    def _write(
        self, change: Callable[[], Event | None], then: Callable[[], None] = lambda: None
    ) -> Event | None:
        """Makes the change and tells it, once the database is there; None also at the end of the
        process."""
        while True:
            try:
                event = change()
            except (DependencyUnavailable, StorageFull) as error:
                log.warning("outcome_not_written", error=type(error).__name__)
                if self.closing.wait(RECORD_PAUSE_SECONDS):
                    return None
                continue
            then()
            if event is not None:
                self.teller.tell(event)
            return event

    def _late(self, claim: Claim, number: int, provider: Provider, late: "Future[str]") -> None:
        """An answer came after the call had been given up."""
        if late.cancelled() or late.exception() is not None:
            return
        entry = Entry(claim.run.job_id, number, late.result(), done=False)
        self._written(claim, provider, entry)


def _too_late(began: float, lease: Lease) -> bool:
    """Whether the run was held up since the intent; a clock that runs in suspend says so."""
    passed = time.clock_gettime(CLOCK) - began
    return passed > min(GUARD_SECONDS, lease.seconds / 3)
