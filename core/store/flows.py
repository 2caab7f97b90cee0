"""Flows: what is kept of the jobs that wait and run, so that no claim has to count them.

A flow is what one user has waiting in one queue for one provider. Its row says how many jobs that
are and which is the first. So a claim looks at the first jobs of the flows, and never passes over
the thousand jobs of one user. The user's row says how many jobs of the user run. A user who has
started as many as it may is *busy*, and claims do not look at its flows until one of its jobs ends.

Invariant: a flow has a row as long as jobs of it wait, the row says what the jobs say, and
`running` is the number of the user's jobs that run. The transactions that move jobs keep this,
under the user's lock. `busy` is a hint: it depends on a setting, so a process that was started with
another one may have written it. Where it says too little, claims compare `running` with the setting
themselves; where it says too much, the next end of a job of the user takes it back.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.jobs import State
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# Adds jobs, which have later turns than all others of their flows. Index: the primary key.
_ENTER = Statement("""
    INSERT INTO flow (user_id, queue, provider, waiting, turn, job_id, last_turn, busy)
    SELECT user_id, queue, provider, waiting, turn, job_id, last_turn, busy
    FROM ({given_flows}) given WHERE TRUE
    ON CONFLICT (user_id, queue, provider) DO UPDATE
        SET waiting = flow.waiting + excluded.waiting, last_turn = excluded.last_turn
""")
# Removes the flow of a job that has left it, if it was the only one. Index: the primary key.
_EMPTY = Statement("""
    DELETE FROM flow
    WHERE user_id = :user_id AND queue = :queue AND provider = :provider AND waiting = 1
""")
# Takes a job that has left it out of a flow that has others.
# Indexes: the primary key for the flow, `job_flow` for its jobs.
_LEAVE = Statement("""
    UPDATE flow SET waiting = waiting - 1,
        turn = (SELECT job.turn {from_flow} ORDER BY job.turn, job.job_id LIMIT 1),
        job_id = (SELECT job.job_id {from_flow} ORDER BY job.turn, job.job_id LIMIT 1),
        last_turn = (SELECT job.turn {from_flow} ORDER BY job.turn DESC, job.job_id DESC LIMIT 1)
    WHERE user_id = :user_id AND queue = :queue AND provider = :provider AND waiting > 1
""")
# Index of these two: the primary key.
_COUNT = Statement("""
    UPDATE user_stream SET running = running + :change, busy = :busy WHERE user_id = :user_id
""")
_SET_BUSY = Statement("UPDATE flow SET busy = :busy WHERE user_id = :user_id AND busy <> :busy")

# Users whose rows say something else than their jobs: their number of jobs that run, and the
# number, the turns and the first job of their flows. It counts all jobs that wait or run, and looks
# at every flow. Indexes: `job_unfinished`, `job_flow`, `job_user_state` and primary keys.
_DIFFERENT = Statement("""
    WITH counted AS (
        SELECT user_id, queue, provider, count(*) AS waiting,
            min(turn) AS turn, max(turn) AS last_turn
        FROM job {by_job_flow} WHERE state = 'QUEUED' GROUP BY user_id, queue, provider
    ), kept AS (
        SELECT user_id, queue, provider, waiting, turn, last_turn FROM flow
    )
    SELECT user_id FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept) missing
    UNION SELECT user_id FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted) wrong
    UNION SELECT flow.user_id FROM flow
        WHERE job_id <> (SELECT job.job_id {from_flow} ORDER BY job.turn, job.job_id LIMIT 1)
    UNION SELECT user_id FROM flow
        WHERE (SELECT s.running FROM user_stream s WHERE s.user_id = flow.user_id) <> (
            SELECT count(*) FROM job {by_job_user_state}
            WHERE job.user_id = flow.user_id AND job.state = 'RUNNING'
        )
    UNION SELECT user_id FROM (
        SELECT user_id, count(*) AS running FROM job {by_job_unfinished}
        WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND state = 'RUNNING'
        GROUP BY user_id
    ) runs
        WHERE running <> (SELECT s.running FROM user_stream s WHERE s.user_id = runs.user_id)
    LIMIT :most
""")
# Index of these: primary keys, `job_user_state` for what runs, `job_flow` for what waits.
_LOCK_USER = Statement("SELECT 1 FROM user_stream WHERE user_id = :user_id {for_update}")
_RECOUNT = Statement("""
    UPDATE user_stream SET running = :running, busy = :busy WHERE user_id = :user_id
""")
_RUNNING = Statement("""
    SELECT count(*) FROM job {by_job_user_state} WHERE user_id = :user_id AND state = 'RUNNING'
""")
_CLEAR = Statement("DELETE FROM flow WHERE user_id = :user_id")
_REFILL = Statement("""
    INSERT INTO flow (user_id, queue, provider, waiting, turn, job_id, last_turn, busy)
    SELECT flow.user_id, flow.queue, flow.provider, flow.waiting, flow.turn,
        (SELECT job.job_id {from_flow} ORDER BY job.turn, job.job_id LIMIT 1), flow.last_turn, :busy
    FROM (
        SELECT user_id, queue, provider, count(*) AS waiting,
            min(turn) AS turn, max(turn) AS last_turn
        FROM job {by_job_flow} WHERE user_id = :user_id AND state = 'QUEUED'
        GROUP BY user_id, queue, provider
    ) flow
""")
_MOST_DIFFERENT = 1000


@dataclass(frozen=True, slots=True)
class Load:
    """How many jobs of a user run, and whether claims leave its flows out because of that."""

    running: int
    busy: bool


def enter(session: Session, jobs: Iterable[tuple[Mapping[str, Any], bool]]) -> None:
    """Puts new jobs, in the order of their turns, at the ends of their flows.

    Each is given by its columns, and by whether its user is busy. Their users are locked.
    """
    flows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for job, busy in jobs:
        key = _key(job)
        first = {"waiting": 0, "turn": job["turn"], "job_id": job["job_id"], "busy": busy}
        flow = flows.setdefault(tuple(key.values()), key | first)
        flow["waiting"] += 1
        flow["last_turn"] = job["turn"]
    session.later(_ENTER, flows=json.dumps(list(flows.values())))


def moved(
    session: Session,
    job: Mapping[str, Any],
    before: State,
    after: State,
    load: Load,
    user_concurrency: int | None,
) -> None:
    """Follows a move of a job, whose row is written and whose user is locked.

    `load` is that of the user before the move. With `user_concurrency` the user is busy afterwards
    if it runs as many jobs.
    """
    if before is State.QUEUED and after is not State.QUEUED:
        session.later(_EMPTY, **_key(job))
        session.later(_LEAVE, **_key(job))
    change = (after is State.RUNNING) - (before is State.RUNNING)
    if not change:
        return
    busy = load.busy and change > 0
    if change > 0 and user_concurrency is not None:
        busy = load.running + 1 >= user_concurrency
    session.later(_COUNT, user_id=job["user_id"], change=change, busy=busy)
    if busy is not load.busy:
        session.later(_SET_BUSY, user_id=job["user_id"], busy=busy)


def different(db: Database, most: int = _MOST_DIFFERENT) -> list[str]:
    """Users of whom something else is kept than their jobs say; there should be none."""
    return [row[0] for row in db.rows(_DIFFERENT, most=most)]


def mend(db: Database, user_concurrency: int) -> int:
    """Counts anew for the users whose rows are wrong; tells how many those were.

    A process of an earlier version, which knows of no flows, leaves such rows behind while an
    installation is updated.
    """
    users = different(db)
    for user_id in users:
        _recount(db, user_id, user_concurrency)
    return len(users)


def _recount(db: Database, user_id: str, user_concurrency: int) -> None:
    def work(session: Session) -> None:
        session.rows(_LOCK_USER, user_id=user_id)
        row = session.row(_RUNNING, user_id=user_id)
        running = int(row[0]) if row else 0
        busy = running >= user_concurrency
        session.later(_RECOUNT, user_id=user_id, running=running, busy=busy)
        session.later(_CLEAR, user_id=user_id)
        session.later(_REFILL, user_id=user_id, busy=busy)

    db.write(work)


def _key(job: Mapping[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in ("user_id", "queue", "provider")}
