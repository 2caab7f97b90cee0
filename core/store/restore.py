"""Makes a database that was put back to an earlier moment safe, before anything runs on it.

The database does not know what happened after that moment. Watchers may have seen it, so the epoch
is renewed and no older resume token is continued. Providers may have been paid for it, so every job
that would be submitted becomes RECONCILING, as if it had been sent: it can be adopted, and it is
never sent again by itself. Deadlines move, so no job fails for the time that has passed.
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

# Index: the primary key.
_RENEW = Statement("UPDATE meta SET value = :value WHERE name = 'epoch'")
# Gives every unfinished job its whole time again, because nobody knows how much of it was left at
# the backup. It runs in the transaction of the new epoch, so that a restore that died half-way
# moves the deadlines only once. Index: `job_deadline`, for its condition.
_EXTEND = Statement("""
    UPDATE job SET start_deadline = start_deadline + {now} - create_time,
        finish_deadline = finish_deadline + {now} - create_time
    WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND create_time < {now}
""")
# Marks the intents whose outcome is not known. The time to settle an UNKNOWN one begins anew; an
# OPEN one has no outcome yet. Index: `intent_unsettled`.
_DOUBT = Statement("""
    UPDATE intent SET worker_id = :worker_id,
        outcome_time = CASE outcome WHEN 'UNKNOWN' THEN {now} END
    WHERE outcome IN ('OPEN', 'UNKNOWN')
""")
# The jobs that would be submitted. This reads all jobs, once after a restore.
_TO_SUBMIT = Statement("""
    SELECT user_id, job_id FROM job
    WHERE state IN ('QUEUED', 'RUNNING') AND NOT at_risk AND NOT provider = ANY(:local)
    ORDER BY create_time, job_id
""")
# Writes an intent of unknown outcome with the number that the job's next intent would have.
# Index of both tables: the primary key.
_MAY_HAVE_SENT = Statement("""
    INSERT INTO intent (job_id, number, user_id, worker_id, provider, model, micros, outcome,
        operation, create_time, outcome_time)
    SELECT job_id, {next_intent}, user_id, :worker_id, provider, model, cost_estimated, 'UNKNOWN',
        '', {now}, {now}
    FROM job WHERE job_id = :job_id
""")


@dataclass(frozen=True, slots=True)
class Restored:
    """The new epoch, and how many jobs may have been submitted in the lost time."""

    epoch: str
    doubtful: int


def begin_anew(db: Database, local: Collection[str]) -> Restored:
    """Makes a restored database safe to run on; may be repeated. `local` providers cost nothing."""
    db.write(lambda session: session.run(_DOUBT, worker_id=RESTORED))
    jobs = db.rows(_TO_SUBMIT, local=list(local))
    for user_id, job_id in jobs:
        _hold(db, user_id, job_id)
    return Restored(renew_epoch(db), len(jobs))


def renew_epoch(db: Database) -> str:
    """Gives the history a new name, and unfinished jobs their whole time again.

    Every older resume token then gets a RESET.
    """
    epoch = new_id()

    def work(session: Session) -> str:
        session.run(_EXTEND)
        session.run(_RENEW, value=epoch)
        return epoch

    return db.write(work)


def _hold(db: Database, user_id: str, job_id: str) -> None:
    """Moves the job to RECONCILING, with an intent of the number that it would have next."""

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
            locked,
            EventType.RECONCILING,
            step=Step.SUBMIT,
            at_risk=True,
            cost_state=CostState.UNCERTAIN,
            lease_expire_time=None,
            next_run_time=now,
        )

    db.write(work)
