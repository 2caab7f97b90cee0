"""The one place where money is spent: write the intent, call the provider, record its answer.

Invariant: once the intent is written, no exception, kill or lost connection leads to a second call.
A submit that was not certainly free makes the job RECONCILING while somebody may still learn its
outcome, and else ends the job as SUBMIT_OUTCOME_UNKNOWN.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import structlog

from core.errors import DependencyUnavailable, LeaseLost, NotFound, StorageFull
from core.events import Event
from core.jobs import EventType, JobFailure, Outcome, Step
from core.process import failpoints
from core.store import Database, intents, submits
from core.store.claims import Claim
from core.store.submits import Begun
from core.telling.changes import Changes
from workers.circuits import Circuits
from workers.endings import Endings, context
from workers.outcomes import Failed, NotNow, SubmitOutcome, Unknown
from workers.polls.paces import Paces
from workers.polls.ticker import Ticker
from workers.providers import (
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

# A run that was frozen for longer between the intent and the call does not call: its lease may be
# over.
GUARD_SECONDS = 1.0
# This clock goes on while the machine sleeps. macOS names it differently.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
NO_ROOM_MS = 1000
RECORD_PAUSE_SECONDS = 0.5
UNKNOWN_FIRST_POLL_MS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Submits jobs to paid providers, once each."""

    db: Database
    changes: Changes
    endings: Endings
    circuits: Circuits
    paces: Paces
    ticker: Ticker
    journal: Journal
    closing: threading.Event
    nudge_poller: Callable[[], None]
    worker_id: str
    user_concurrency: int

    def submit(
        self, claim: Claim, provider: Provider, lease: Lease, read_input: ReadInput
    ) -> Claim | None:
        """Submits the job. Returns the claim at FETCH if the operation is done already; None when
        this run has nothing more to do.

        Raises:
            LeaseLost: when another run owns the job.
            RunStopped: when the run shall stop, and nothing was sent.
            ProviderFailed: when the provider can't be asked for this, or an input is gone.
        """
        # Before the intent is written: what fails here costs nothing.
        plan = provider.plan(claim.job, read_input)
        began = time.clock_gettime(CLOCK)
        begun = self._begin(claim)
        if begun is None:
            self.endings.hand_back(claim, NO_ROOM_MS)
            return None
        if begun.number is None:
            return None
        claim = replace(claim, job=begun.event.job, at_risk=True)
        if lease.stopping():
            self._close_intent(claim, begun.number, Outcome.NOT_SENT)
            raise RunStopped
        if _too_late(began, lease):
            # The database is slow, so the next try is not made at once.
            self._close_intent(claim, begun.number, Outcome.NOT_SENT)
            self.endings.hand_back(claim, NO_ROOM_MS, claim.tries + 1)
            return None
        return self._send(claim, begun.number, provider, plan)

    def adopt(self, entry: Entry) -> Event | None:
        """Records an operation that was learned of late, or by another process.

        Raises:
            DependencyUnavailable, StorageFull: when the database can't take it.
        """
        try:
            event = self.changes.make(lambda db: _accept(db, entry))
        except NotFound:
            log.error("operation_of_unknown_job", job_id=entry.job_id, operation=entry.operation)
            return None
        if event is not None:
            log.info("operation_adopted", job_id=entry.job_id, number=entry.number)
        return event

    def _begin(self, claim: Claim) -> Begun | None:
        try:
            return self.changes.make(
                lambda db: submits.begin(db, claim.run, self.worker_id, self.user_concurrency)
            )
        except (DependencyUnavailable, StorageFull):
            # The intent may have been committed, and only this run knows that nothing was sent.
            self._write(lambda db: submits.retract(db, claim.run))
            raise

    def _send(self, claim: Claim, number: int, provider: Provider, plan: Any) -> Claim | None:
        """Makes the call that the intent is for, and writes down what came of it."""
        try:
            failpoints.hit("submit.before_send")
            answer = self._call(claim, number, provider, plan)
            if isinstance(answer, Submitted):
                failpoints.hit("submit.after_answer")
        except Exception as error:  # noqa: BLE001 - a bug of ours, and the call may have been made
            answer = Unknown.of(error)
        if isinstance(answer, Submitted):
            return self._record(claim, number, provider, answer)
        if isinstance(answer, Failed):
            self._close_intent(claim, number, Outcome.REJECTED, answer.failure)
        elif isinstance(answer, NotNow):
            self._put_off(claim, number, answer)
        else:
            self._unknown(claim, number, provider, answer)
        return None

    def _call(self, claim: Claim, number: int, provider: Provider, plan: Any) -> SubmitOutcome:
        key = intents.submission_key(claim.run.job_id, number)
        try:
            return provider.submit(claim.job, key, plan)
        except ProviderFailed as error:
            return Failed.of(error)
        except TryLater as error:
            return self.circuits.submit_put_off(claim.job.provider, NotNow.of(error))
        except Exception as error:  # noqa: BLE001 - whatever it was, the provider may have accepted
            self.circuits.submit_failed(claim.job.provider)
            return Unknown.of(error)

    def _put_off(self, claim: Claim, number: int, answer: NotNow) -> None:
        self._close_intent(claim, number, Outcome.REJECTED if answer.sent else Outcome.NOT_SENT)
        self.endings.retry(replace(claim, at_risk=False), answer)

    def _close_intent(
        self, claim: Claim, number: int, outcome: Outcome, failure: JobFailure | None = None
    ) -> None:
        """Writes down that nothing was accepted. That is true whoever owns the job by now."""
        try:
            self._write(lambda db: submits.refused(db, claim.run, number, outcome, failure))
        except LeaseLost:
            self._write(lambda db: submits.was_free(db, claim.run.job_id, number, outcome))
            raise

    def _unknown(self, claim: Claim, number: int, provider: Provider, answer: Unknown) -> None:
        log.warning(
            "submit_outcome_unknown",
            **context(claim),
            error=answer.error,
            learnable=answer.learnable,
        )
        if answer.late is not None:
            answer.late.add_done_callback(lambda late: self._late(claim, number, provider, late))
        if answer.learnable:
            self.endings.make_if_possible(lambda db: submits.unknown(db, claim.run))
        else:
            # Only this run knows that nobody can tell, also when another owns the job by now.
            self._write(lambda db: submits.lose(db, claim.run.job_id, number))

    def _record(
        self, claim: Claim, number: int, provider: Provider, submitted: Submitted
    ) -> Claim | None:
        charged = submitted.charged_micros
        entry = Entry(claim.run.job_id, number, submitted.operation, submitted.done, charged)
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
        """Records the operation, however long the database is away. None when the job does not wait
        for it any more, or when the process ends; then the journal keeps it for other workers."""
        try:
            self.journal.write(entry)
        except OSError as error:
            # The database alone must do.
            log.error("journal_not_written", **context(claim), error=type(error).__name__)
        failpoints.hit("journal.after_fsync")

        def accept(db: Database) -> Event | None:
            event = _accept(db, entry, delay_ms)
            self.journal.settled(entry)
            return event

        event = self._write(accept)
        if event is None and not self.closing.is_set():
            run = claim.run
            self.endings.release_orphan(provider, run.user_id, run.job_id, entry.operation)
        return event

    def _write(self, change: Callable[[Database], Event | None]) -> Event | None:
        """Makes the change as soon as the database is there. None also when the process ends."""
        while True:
            try:
                return self.changes.make(change)
            except (DependencyUnavailable, StorageFull) as error:
                log.warning("outcome_not_written", error=type(error).__name__)
                if self.closing.wait(RECORD_PAUSE_SECONDS):
                    return None

    def _late(self, claim: Claim, number: int, provider: Provider, late: "Future[str]") -> None:
        """Records an answer that came after the call had been given up."""
        if late.cancelled() or late.exception() is not None:
            return
        entry = Entry(claim.run.job_id, number, late.result(), done=False)
        self._written(claim, provider, entry)


def _accept(db: Database, entry: Entry, delay_ms: int = 0) -> Event | None:
    return submits.accepted(
        db,
        entry.job_id,
        entry.number,
        entry.operation,
        done=entry.done,
        delay_ms=delay_ms,
        charged_micros=entry.charged_micros,
    )


def _too_late(began: float, lease: Lease) -> bool:
    """Whether the run was held up since the intent; a clock that runs in suspend says so."""
    passed = time.clock_gettime(CLOCK) - began
    return passed > min(GUARD_SECONDS, lease.seconds / 3)
