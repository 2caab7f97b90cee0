"""What a database needs after it was put back to an earlier moment, before anything runs on it.

What happened after that moment is not known any more. Watchers may have seen it, so their tokens
must not be continued: the epoch is renewed. Providers may have been paid for it, so whatever would
be submitted becomes RECONCILING, as if it had been sent: it can be adopted, and is never sent again
by itself. And no job fails for the time that has passed since: its deadlines move.
"""

from collections.abc import Collection
from dataclasses import dataclass

from core.errors import NotFound
from core.ids import new_id
from core.jobs import CostState, EventType, Stage, State, Step
from core.store.change import apply, lock
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.intents import RESTORED

_RENEW = Statement("UPDATE meta SET value = :value WHERE name = 'epoch'")
# In the transaction of the new epoch, so that a restore that died half-way moves them only once.
# The whole time begins anew: how much of it was left at the backup is not known.
_EXTEND = Statement(
    "UPDATE job SET start_deadline = start_deadline + {now} - create_time,"
    " finish_deadline = finish_deadline + {now} - create_time"
    " WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND create_time < {now}"
)
# The time to settle an UNKNOWN one begins anew; an OPEN one has no outcome yet.
_DOUBT = Statement(
    "UPDATE intent SET worker_id = :worker_id,"
    " outcome_time = CASE outcome WHEN 'UNKNOWN' THEN {now} END"
    " WHERE outcome IN ('OPEN', 'UNKNOWN')"
)
_TO_SUBMIT = Statement(
    "SELECT user_id, job_id FROM job WHERE state IN ('QUEUED', 'RUNNING') AND NOT at_risk"
    " AND NOT provider = ANY(:local) ORDER BY create_time, job_id"
)
_MAY_HAVE_SENT = Statement(
    "INSERT INTO intent (job_id, number, user_id, worker_id, provider, model, micros, outcome,"
    " operation, create_time, outcome_time) SELECT job_id,"
    " 1 + coalesce((SELECT max(number) FROM intent i WHERE i.job_id = job.job_id), 0),"
    " user_id, :worker_id, provider, model, cost_estimated, 'UNKNOWN', '', {now}, {now}"
    " FROM job WHERE job_id = :job_id"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """The new epoch, and how many jobs may have been submitted in the lost time."""

    epoch: str
    doubtful: int


def begin_anew(db: Database, local: Collection[str]) -> Restored:
    """Makes a restored database safe to run on; `local` providers cost nothing. May be repeated."""
    db.write(lambda session: session.run(_DOUBT, worker_id=RESTORED))
    jobs = db.rows(_TO_SUBMIT, local=list(local))
    for user_id, job_id in jobs:
        _hold(db, user_id, job_id)
    return Restored(renew_epoch(db), len(jobs))


def renew_epoch(db: Database) -> str:
    """Gives the history a new name, so that every older resume token gets a RESET, and unfinished
    jobs their whole time again."""
    epoch = new_id()

    def work(session: Session) -> str:
        session.run(_EXTEND)
        session.run(_RENEW, value=epoch)
        return epoch

    return db.write(work)


def _hold(db: Database, user_id: str, job_id: str) -> None:
    """QUEUED or RUNNING to RECONCILING, with an intent of the number that it would have next."""

    def work(session: Session) -> None:
        locked = lock(session, user_id, job_id)
        if locked is None:
            raise NotFound("job")
        if locked.state.terminal or locked.at_risk:
            raise Undo(None)
        now = session.now_ms()
        if locked.state is State.QUEUED:
            apply(session, locked, EventType.STARTED, start_time=now, stage=Stage.SUBMITTING)
            locked = lock(session, user_id, job_id)
            assert locked is not None
        session.run(_MAY_HAVE_SENT, job_id=job_id, worker_id=RESTORED)
        apply(
            session,
            *(locked, EventType.RECONCILING),
            step=Step.SUBMIT,
            at_risk=True,
            cost_state=CostState.UNCERTAIN,
            lease_expire_time=None,
            next_run_time=now,
        )

    db.write(work)
