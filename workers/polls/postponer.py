"""Writes down polls that found their operation not done, many at once, and tells progress."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from core.errors import Reason
from core.events import ProgressTick
from core.jobs import Progress, Stage
from core.process import failpoints
from core.store import Database, polls
from core.store.claims import Claim
from core.store.polls import Postponed
from core.telling.changes import Teller
from workers.backoff import Backoff
from workers.endings import context
from workers.outcomes import NotNow
from workers.polls.paces import Paces, age_ms
from workers.polls.ticker import Ticker
from workers.providers import Pending

log = structlog.get_logger()

# An operation is polled once more just before the job's deadline, because it was paid for.
LAST_LOOK_MS = 2000


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A poll after which the operation has to be polled again."""

    claim: Claim
    outcome: Pending | NotNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponer:
    """Writes down many polls at once."""

    db: Database
    teller: Teller
    backoff: Backoff
    paces: Paces
    ticker: Ticker

    def write(self, unfinished: Sequence[Unfinished]) -> None:
        """Postpones the operations, and tells how far they and those between two polls are.

        Raises:
            DependencyUnavailable, StorageFull: when it can't be written.
        """
        if unfinished:
            self._postpone(unfinished)
        self.ticker.tick()

    def _postpone(self, unfinished: Sequence[Unfinished]) -> None:
        failpoints.hit("poll.before_commit")
        now_ms = self.db.now_ms()
        postponed = [self._postponed(poll, now_ms) for poll in unfinished]
        polls.postpone(self.db, postponed)
        for poll, after in zip(unfinished, postponed, strict=True):
            self._tell(poll, after, now_ms)

    def _postponed(self, poll: Unfinished, now_ms: int) -> Postponed:
        if isinstance(poll.outcome, NotNow):
            return self._not_asked(poll.claim, poll.outcome, now_ms)
        claim, pending = poll.claim, poll.outcome
        percent, estimated = self._percent(claim, pending, now_ms)
        delay_ms = pending.delay_ms
        if delay_ms is None:
            delay_ms = self.paces.next_ms(claim.job, now_ms)
        delay_ms = _before_deadline(claim, delay_ms, now_ms)
        return Postponed(run=claim.run, delay_ms=delay_ms, percent=percent, estimated=estimated)

    def _not_asked(self, claim: Claim, answer: NotNow, now_ms: int) -> Postponed:
        delay_ms = answer.delay_ms or self._retry_ms(claim, answer)
        delay_ms = _before_deadline(claim, delay_ms, now_ms)
        reason = answer.failure.reason
        log.info("step_postponed", **context(claim), reason=reason, delay_ms=delay_ms)
        return Postponed(run=claim.run, delay_ms=delay_ms, tries=claim.tries + 1)

    def _retry_ms(self, claim: Claim, answer: NotNow) -> int:
        if answer.failure.reason is Reason.PROVIDER_NOT_CONFIGURED:
            # No provider was asked, and another worker may ask it now.
            return self.backoff.delay_ms(claim.tries)
        return self.paces.retry_ms(claim.job, claim.tries, self.backoff.most_ms)

    def _percent(self, claim: Claim, pending: Pending, now_ms: int) -> tuple[int, bool]:
        """How far the operation is, and whether that is an estimate. An operation that has ever
        told its percent is never estimated again."""
        told, before = self.ticker.forget(claim.run.job_id), claim.job.progress
        if pending.percent is not None or (before.percent and not before.estimated):
            return pending.percent or 0, False
        return max(self.paces.percent(claim.job, now_ms), told), True

    def _tell(self, poll: Unfinished, after: Postponed, now_ms: int) -> None:
        job = poll.claim.job
        age = age_ms(job, now_ms)
        percent, estimated = after.percent, after.estimated
        if isinstance(poll.outcome, NotNow) or percent < job.progress.percent:
            percent, estimated = job.progress.percent, job.progress.estimated
        if estimated:
            self.ticker.follow(job, age, after.delay_ms, percent)
        progress = Progress(stage=Stage.GENERATING, percent=percent, estimated=estimated)
        if progress != job.progress:
            left_ms = self.paces.remaining_ms(job.spec.model, age)
            progress = replace(progress, remaining_ms=left_ms)
            tick = ProgressTick(
                user_id=job.user_id, job_id=job.job_id, attempt=job.attempt, progress=progress
            )
            self.teller.tell_progress(tick)


def _before_deadline(claim: Claim, delay_ms: int, now_ms: int) -> int:
    """The delay, shortened to leave time for a last poll before the deadline. A job right before
    its deadline gets no further poll."""
    if claim.job.finish_deadline is None:
        return delay_ms
    last_ms = claim.job.finish_deadline - now_ms - LAST_LOOK_MS
    return last_ms if LAST_LOOK_MS < last_ms < delay_ms else delay_ms
