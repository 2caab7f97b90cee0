"""How the steps of a run end: for good, for now, or not ours any more.

Shared by the pipeline, the submits and the poller. A change that can't be written now is left: the
lease runs out and the next run makes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from core.errors import DependencyUnavailable, LeaseLost, Reason, RushesError, StorageFull
from core.events import Event
from core.jobs import CostState, Job, JobFailure
from core.store import Database, claims, jobs, submits, transitions
from core.store.claims import Claim
from core.telling.changes import Teller
from workers.backoff import Backoff
from workers.providers import Provider, ProviderFailed, TryLater

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """Ends, hands back and retries claims."""

    db: Database
    teller: Teller
    backoff: Backoff
    aside: Callable[[Callable[[], None]], None]

    def fail(self, claim: Claim, error: ProviderFailed) -> None:
        """The job ends FAILED."""
        log.info("job_failed", **context(claim), reason=error.failure.reason)
        cost = error.cost, error.charged_micros
        self.make(lambda: transitions.fail(self.db, claim.run, error.failure, *cost))

    def cancel(self, claim: Claim, cost: CostState | None = None) -> None:
        """The job ends CANCELLED."""
        self.make(lambda: transitions.end_cancelled(self.db, claim.run, cost))

    def make(self, transition: Callable[[], Event | None]) -> None:
        """Makes the transition and tells it."""
        try:
            event = transition()
        except (LeaseLost, DependencyUnavailable, StorageFull) as error:
            log.warning("run_end_failed", error=type(error).__name__)
            return
        if event is not None:
            self.teller.tell(event)

    def retry(self, claim: Claim, error: TryLater) -> None:
        """Hands the job back until its next try; one that is not paid for ends at once when that
        came after its deadline."""
        delay_ms = error.delay_ms or self.backoff.delay_ms(claim.tries)
        deadline = claim.job.finish_deadline
        left_ms = delay_ms + 1 if deadline is None else deadline - self.db.now_ms()
        if left_ms <= delay_ms and not claim.at_risk:
            self.fail(claim, ProviderFailed(error.failure))
            return
        # What may have been paid for has all its time; the rescuer ends it then.
        delay_ms = min(delay_ms, max(left_ms, 0))
        log.info("step_postponed", **context(claim), reason=error.failure.reason, delay_ms=delay_ms)
        self.hand_back(claim, delay_ms, tries=claim.tries + 1)

    def release(self, provider: Provider, job: Job) -> None:
        """Stops, aside, the operation of a job that ended without it, and settles its cost."""
        self.aside(lambda: self._release(provider, job))

    def release_orphan(self, provider: Provider, user_id: str, job_id: str, operation: str) -> None:
        """Stops an operation, aside, if it is not the one that its job waits for or had."""
        job = jobs.get(self.db, user_id, job_id)
        if job.provider_operation != operation:
            self.release(provider, replace(job, provider_operation=operation))

    def _release(self, provider: Provider, job: Job) -> None:
        cost = cancel_operation(provider, job)
        uncertain = job.state.terminal and job.cost.state is CostState.UNCERTAIN
        if uncertain and cost is not CostState.UNCERTAIN:
            charged = cost is CostState.CHARGED
            self.make(lambda: submits.resolve(self.db, job.job_id, charged=charged))

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
        ids = {"job_id": job.job_id, "user_id": job.user_id}
        log.warning("operation_cancel_failed", **ids, error=type(error).__name__)
        return CostState.UNCERTAIN


def worker_lost(attempts: int) -> ProviderFailed:
    """What a job ends with that took its workers down again and again."""
    message = f"The job's worker was lost {attempts} times."
    metadata = {"attempts": str(attempts)}
    failure = JobFailure(reason=Reason.WORKER_LOST, message=message, metadata=metadata)
    return ProviderFailed(failure)


def not_configured(provider: str) -> JobFailure:
    """What a job ends with whose provider is not configured where it runs."""
    message = f"The provider {provider} is not configured here."
    return JobFailure(reason=Reason.PROVIDER_NOT_CONFIGURED, message=message)


def context(claim: Claim) -> dict[str, object]:
    """What every log line about a run names."""
    run = claim.run
    return {"job_id": run.job_id, "user_id": run.user_id, "attempt": claim.job.attempt}
