"""How the steps of a run end: for good, for now, or because another run owns the job.

The pipeline, the submits and the poller share these endings. An ending that can't be written now is
left out: the lease runs out, and the next run writes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from core.errors import DependencyUnavailable, LeaseLost, Reason, RushesError, StorageFull
from core.events import Event
from core.jobs import CostState, Job, JobFailure
from core.store import Database, claims, jobs, submits, transitions
from core.store.claims import Claim
from core.telling.changes import Changes
from workers.backoff import Backoff
from workers.outcomes import Failed, NotNow
from workers.providers import Provider

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """Ends, hands back and postpones claims."""

    db: Database
    changes: Changes
    backoff: Backoff
    aside: Callable[[Callable[[], None]], None]

    def fail(self, claim: Claim, failed: Failed) -> None:
        """The job ends FAILED."""
        failure, cost, charged = failed.failure, failed.cost, failed.charged_micros
        log.info("job_failed", **context(claim), reason=failure.reason)
        self.make_if_possible(lambda db: transitions.fail(db, claim.run, failure, cost, charged))

    def cancel(self, claim: Claim, cost: CostState | None = None) -> None:
        """The job ends CANCELLED."""
        self.make_if_possible(lambda db: transitions.end_cancelled(db, claim.run, cost))

    def make_if_possible(self, change: Callable[[Database], Event | None]) -> None:
        """Makes the change and tells it. Leaves it when the job is another run's, or when the
        database is away."""
        try:
            self.changes.make(change)
        except (LeaseLost, DependencyUnavailable, StorageFull) as error:
            log.warning("change_not_made", error=type(error).__name__)

    def retry(self, claim: Claim, answer: NotNow) -> None:
        """Hands the job back until its next try.

        When that would come after the deadline, a job that may have been paid for waits until the
        deadline, where the rescuer ends it; any other job fails at once.
        """
        delay_ms = answer.delay_ms or self.backoff.delay_ms(claim.tries)
        deadline = claim.job.finish_deadline
        left_ms = delay_ms + 1 if deadline is None else deadline - self.db.now_ms()
        if left_ms <= delay_ms and not claim.at_risk:
            self.fail(claim, Failed(answer.failure))
            return
        delay_ms = min(delay_ms, max(left_ms, 0))
        reason = answer.failure.reason
        log.info("step_postponed", **context(claim), reason=reason, delay_ms=delay_ms)
        self.hand_back(claim, delay_ms, tries=claim.tries + 1)

    def release(self, provider: Provider, job: Job) -> None:
        """Stops the operation of a job that ended without it, and settles its cost. Does so aside:
        the caller does not wait for the provider."""
        self.aside(lambda: self._release(provider, job))

    def release_orphan(self, provider: Provider, user_id: str, job_id: str, operation: str) -> None:
        """Stops an operation aside, unless it is the one that its job waits for or had."""
        job = jobs.get(self.db, user_id, job_id)
        if job.provider_operation != operation:
            self.release(provider, replace(job, provider_operation=operation))

    def _release(self, provider: Provider, job: Job) -> None:
        cost = cancel_operation(provider, job)
        uncertain = job.state.terminal and job.cost.state is CostState.UNCERTAIN
        if uncertain and cost is not CostState.UNCERTAIN:
            charged = cost is CostState.CHARGED
            self.make_if_possible(lambda db: submits.resolve(db, job.job_id, charged=charged))

    def hand_back(self, claim: Claim, delay_ms: int, tries: int = 0) -> None:
        """Gives the job back, to be run again after the delay."""
        try:
            claims.hand_back(self.db, claim.run, delay_ms, tries=tries)
        except RushesError as error:
            log.warning("hand_back_failed", **context(claim), error=type(error).__name__)


def cancel_operation(provider: Provider, job: Job) -> CostState:
    """Stops the job's operation at the provider if it can; what that costs."""
    try:
        return provider.cancel(job, job.provider_operation)
    except Exception as error:  # noqa: BLE001 - the job ends, whatever the provider can do
        log.warning(
            "operation_cancel_failed",
            job_id=job.job_id,
            user_id=job.user_id,
            error=type(error).__name__,
        )
        return CostState.UNCERTAIN


def worker_lost(attempts: int) -> Failed:
    """How a job ends whose workers were lost again and again."""
    message = f"The job's worker was lost {attempts} times."
    metadata = {"attempts": str(attempts)}
    return Failed(JobFailure(reason=Reason.WORKER_LOST, message=message, metadata=metadata))


def not_configured(provider: str) -> JobFailure:
    """Why a job fails whose provider is not configured on this worker."""
    message = f"The provider {provider} is not configured here."
    return JobFailure(reason=Reason.PROVIDER_NOT_CONFIGURED, message=message)


def context(claim: Claim) -> dict[str, object]:
    """The fields that every log line about a run has."""
    run = claim.run
    return {"job_id": run.job_id, "user_id": run.user_id, "attempt": claim.job.attempt}
