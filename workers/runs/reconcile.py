"""Jobs in RECONCILING: finds out what came of a submit, until the time for that is over."""

from dataclasses import dataclass

import structlog

from core.jobs import Outcome
from core.store import Database, submits
from core.store.claims import Claim
from core.store.intents import Intent
from core.telling.changes import Teller
from workers.endings import Endings, context
from workers.providers import Provider, TryLater
from workers.runs.journal import Entry
from workers.runs.submit import Submitter

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look-up gave: whether the provider could answer, and the operation if there is one."""

    answered: bool
    operation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Looks a submit up. Then it adopts the operation, waits for the next look, sends the job again
    where that is safe, or gives up."""

    db: Database
    teller: Teller
    endings: Endings
    submitter: Submitter
    resubmits: bool
    reconcile_ms: int
    look_up_ms: int

    def reconcile(self, claim: Claim, provider: Provider | None) -> None:
        """Looks once at a RECONCILING job.

        Raises:
            LeaseLost: when another run owns the job.
        """
        if claim.job.cancel_request_time is not None:
            self.endings.cancel(claim)
            return
        intent = self._intent(claim)
        if intent is None:
            return
        found = self._look_up(claim, intent, provider)
        if found.operation is not None:
            self.submitter.adopt(Entry(intent.job_id, intent.number, found.operation, done=False))
            return
        left_ms = (intent.outcome_time or intent.create_time) + self.reconcile_ms
        left_ms -= self.db.now_ms()
        if left_ms > 0:
            can_ask = provider is not None and provider.can_look_up
            pause_ms = min(left_ms, self.look_up_ms) if can_ask else left_ms
            self.endings.hand_back(claim, pause_ms)
        elif found.answered and self.resubmits and not intent.restored:
            # By now the provider would list the operation if it had accepted the submit.
            log.info("submit_never_arrived", **context(claim), number=intent.number)
            self.endings.make_if_possible(lambda db: submits.send_again(db, claim.run))
            self.teller.wake(claim.job.queue)
        else:
            self.endings.make_if_possible(lambda db: submits.give_up(db, claim.run))

    def _intent(self, claim: Claim) -> Intent | None:
        found = submits.of_job(self.db, claim.run.job_id)
        return next((i for i in found if i.outcome is Outcome.UNKNOWN), None)

    def _look_up(self, claim: Claim, intent: Intent, provider: Provider | None) -> _Found:
        if provider is None or not provider.can_look_up:
            return _Found(answered=False)
        try:
            return _Found(answered=True, operation=provider.look_up(intent.key))
        except TryLater as error:
            log.info("look_up_failed", **context(claim), reason=error.failure.reason)
        except Exception as error:  # noqa: BLE001 - else the job would never come to an end
            log.warning("look_up_failed", **context(claim), error=type(error).__name__)
        return _Found(answered=False)
