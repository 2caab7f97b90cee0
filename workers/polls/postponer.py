"""What is written down of polls that found their operation not done: all at once, and told.

It also keeps the books of who answers: failures in a row open a provider's circuit, and an answer
takes those of polls back (`core.store.circuits`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from core.errors import Reason
from core.events import ProgressTick
from core.jobs import Progress, Stage
from core.process import failpoints
from core.store import Database, circuits, polls
from core.store.claims import Claim
from core.store.polls import Postponed
from core.telling.changes import Teller
from workers.backoff import Backoff
from workers.endings import context
from workers.polls.paces import Paces, age_ms
from workers.polls.ticker import Ticker
from workers.providers import Pending, TryLater

log = structlog.get_logger()

# What is not done by its deadline is looked at once more just before that: it was paid for.
LAST_LOOK_MS = 2000


@dataclass(frozen=True, slots=True)
class Later:
    """A poll after which its operation has to be polled again."""

    claim: Claim
    result: Pending | TryLater


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponer:
    """Writes down many polls at once."""

    db: Database
    teller: Teller
    backoff: Backoff
    paces: Paces
    ticker: Ticker
    circuit_failures: int
    circuit_ms: int

    def write(
        self, laters: Sequence[Later], answered: Collection[str], failed: Sequence[str]
    ) -> dict[str, int]:
        """Postpones the operations and tells how far they are; counts the providers that answered,
        and one for each call that did not reach it.

        Which providers are left alone from now on, and for how many milliseconds.

        Raises:
            DependencyUnavailable, StorageFull: when it can't be written.
        """
        if laters:
            self._postpone(laters)
        self.ticker.tick()
        return self._count(answered, failed) if answered or failed else {}

    def _postpone(self, laters: Sequence[Later]) -> None:
        failpoints.hit("poll.before_commit")
        now_ms = self.db.now_ms()
        postponed = [self._postponed(poll, now_ms) for poll in laters]
        polls.postpone(self.db, postponed)
        for poll, after in zip(laters, postponed, strict=True):
            self._tell(poll, after, now_ms)

    def _count(self, answered: Collection[str], failed: Sequence[str]) -> dict[str, int]:
        left: dict[str, int] = {}
        for provider in failed:
            if provider in answered or provider in left:
                continue
            limits = self.circuit_failures, self.circuit_ms
            pause = circuits.failed(self.db, provider, *limits, polling=True)
            if pause:
                log.warning("provider_left_alone", provider=provider, pause_ms=pause)
                left[provider] = pause
        if well := circuits.failing_polls(self.db).intersection(answered):
            circuits.polled(self.db, well)
        return left

    def _postponed(self, poll: Later, now_ms: int) -> Postponed:
        if isinstance(poll.result, TryLater):
            return self._not_asked(poll.claim, poll.result, now_ms)
        claim, pending = poll.claim, poll.result
        percent, estimated = self._percent(claim, pending, now_ms)
        delay_ms = pending.delay_ms
        if delay_ms is None:
            delay_ms = self.paces.next_ms(claim.job, now_ms)
        delay_ms = _before_deadline(claim, delay_ms, now_ms)
        return Postponed(run=claim.run, delay_ms=delay_ms, percent=percent, estimated=estimated)

    def _not_asked(self, claim: Claim, error: TryLater, now_ms: int) -> Postponed:
        delay_ms = error.delay_ms or self._retry_ms(claim, error)
        delay_ms = _before_deadline(claim, delay_ms, now_ms)
        log.info("step_postponed", **context(claim), reason=error.failure.reason, delay_ms=delay_ms)
        return Postponed(run=claim.run, delay_ms=delay_ms, tries=claim.tries + 1)

    def _retry_ms(self, claim: Claim, error: TryLater) -> int:
        if error.failure.reason is Reason.PROVIDER_NOT_CONFIGURED:
            # Nobody was asked, and another worker may ask now.
            return self.backoff.delay_ms(claim.tries)
        return self.paces.retry_ms(claim.job, claim.tries, self.backoff.most_ms)

    def _percent(self, claim: Claim, pending: Pending, now_ms: int) -> tuple[int, bool]:
        """How far the operation is, and whether that is an estimate: never of one that ever said
        so itself."""
        told, before = self.ticker.forget(claim.run.job_id), claim.job.progress
        if pending.percent is not None or (before.percent and not before.estimated):
            return pending.percent or 0, False
        return max(self.paces.percent(claim.job, now_ms), told), True

    def _tell(self, poll: Later, after: Postponed, now_ms: int) -> None:
        job = poll.claim.job
        percent, estimated = after.percent, after.estimated
        if isinstance(poll.result, TryLater) or percent < job.progress.percent:
            percent, estimated = job.progress.percent, job.progress.estimated
        if estimated:
            self.ticker.follow(job, age_ms(job, now_ms), after.delay_ms, percent)
        progress = Progress(stage=Stage.GENERATING, percent=percent, estimated=estimated)
        if progress != job.progress:
            tick = ProgressTick(
                user_id=job.user_id, job_id=job.job_id, attempt=job.attempt, progress=progress
            )
            self.teller.tell_progress(tick)


def _before_deadline(claim: Claim, delay_ms: int, now_ms: int) -> int:
    """The delay, or what leaves time for a last look; right before its end a job is left to it."""
    if claim.job.finish_deadline is None:
        return delay_ms
    last_ms = claim.job.finish_deadline - now_ms - LAST_LOOK_MS
    return last_ms if LAST_LOOK_MS < last_ms < delay_ms else delay_ms
