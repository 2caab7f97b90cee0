"""Claiming a job and starting it in one transaction, for jobs that have no submit.

A start is a state change: it counts a revision and writes an event. The transaction locks the
user first, as every state change does. It never waits for that lock, because a transaction
that holds a user may wait for one of the user's jobs. It passes over the user instead.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.process import failpoints
from core.store import claims
from core.store.change import Locked, bump, locked_job
from core.store.claims import Claim
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement
from core.store.flows import Load
from core.store.notifications import inbox_of
from core.store.rows import JOB_NAMES
from core.store.transitions import start_locked

# Whether there is a job to take. Indexes: `job_due`, `flow_first` and `job_flow`.
_IS_ANY = Statement("""
    SELECT 1 WHERE EXISTS (SELECT 1 FROM job WHERE {run_due}) OR EXISTS (SELECT 1 {startable})
""")
# Locks the first by turn of the jobs that may start and whose user nobody changes now, together
# with its user; finds none while a job that runs is due. Gives the time, the user's revision as it
# is, the user's revision and load as they were when the statement began, and the job's columns.
# The first jobs are put in order before a user is locked: otherwise the users of all of them would
# be. Indexes: `flow_first` for the job, `job_due` for what is due, primary keys for the user.
_LOCK_FIRST = Statement("""
    SELECT {now},
        (SELECT s.revision FROM user_stream s WHERE s.user_id = job.user_id {skip_locked}),
        u.revision,
        u.running, u.busy, {inbox},
        {job_columns}
    FROM job JOIN user_stream u ON u.user_id = job.user_id
    WHERE job.job_id = (
        SELECT first.job_id FROM (
            SELECT job_id, user_id, turn FROM job
            WHERE {among_first} AND {still_queued} AND {waits}
                AND NOT EXISTS (SELECT 1 FROM job WHERE {run_due})
            ORDER BY turn, job_id {skip_locked}
        ) first
        WHERE EXISTS (
            SELECT s.revision FROM user_stream s WHERE s.user_id = first.user_id {skip_locked}
        )
        {ordered_by_turn} LIMIT 1
    )
    {for_update_of_job}
""")


def claim_and_start(
    db: Database,
    queue: str,
    worker_id: str,
    lease_ms: int,
    user_concurrency: int,
    local: Sequence[str],
) -> Claim | None:
    """Takes the next job as `claims.claim` does, and starts it too if it can start at once.

    That is a job of the providers `local`, which have no submits, unless something else of its
    user changes just now. `Claim.event` has the event of the start. When there is none to take,
    one look says so, without a transaction.
    """

    def work(session: Session) -> tuple[Claim | None, Row | None]:
        locked = _lock_startable(session, queue, user_concurrency, local)
        if locked is not None:
            return _start(session, locked, worker_id, lease_ms, user_concurrency), None
        return None, claims.take(session, queue, worker_id, lease_ms, user_concurrency)

    started, taken = None, None
    if db.row(_IS_ANY, queue=queue, user_concurrency=user_concurrency) is not None:
        started, taken = db.write(work)
    claim = started or claims.claim_from_row(db, taken)
    failpoints.hit("claim.after")
    if started is not None:
        failpoints.hit("start.after_commit")
    return claim


def _lock_startable(
    session: Session, queue: str, user_concurrency: int, local: Sequence[str]
) -> Locked | None:
    """The next job of the queue, locked with its user, if nothing speaks against its start."""
    row = session.row(_LOCK_FIRST, queue=queue, user_concurrency=user_concurrency)
    if row is None:
        return None
    now_ms, revision, seen_at, running, busy = row[:5]
    columns = dict(zip(JOB_NAMES, row[10:], strict=True))
    load = Load(running, bool(busy))
    locked = locked_job(now_ms, revision + 1, load, inbox_of(*row[5:10]), columns)
    # The load is that of now only if nothing of the user has changed since.
    room = revision == seen_at and running < user_concurrency
    # A claim that was lost counts as an attempt, and the job may have no more of those.
    lost = columns["lease_expire_time"] is not None
    if not room or lost or locked.missed or columns["provider"] not in local:
        return None
    return locked


def _start(
    session: Session, locked: Locked, worker_id: str, lease_ms: int, user_concurrency: int
) -> Claim:
    run = replace(locked.run, fence=locked.run.fence + 1)
    taken: dict[str, Any] = {
        "fence": run.fence,
        "worker_id": worker_id,
        "lease_expire_time": locked.now_ms + lease_ms,
        "attempt": locked.columns["attempt"] + 1,
    }
    bump(session, run.user_id)
    event = start_locked(session, locked, user_concurrency, **taken)
    return Claim(job=event.job, run=run, step=locked.step, operation="", event=event)
