"""The installation at a glance, for its metrics and its doctor."""

from dataclasses import dataclass

from core.jobs import State
from core.store import circuits
from core.store.budgets import INSTALLATION, Period, span
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.workers import DEAD_MS

# How many jobs wait, by queue. It reads the table `flow`, which has a row for many jobs.
_WAITING = Statement("SELECT queue, sum(waiting) FROM flow GROUP BY queue")
# How many jobs of each queue are in a state, by the entries of an index that only has those that
# have not ended. It asks for the next queue again and again, because there are few.
# Index: `job_unfinished`.
_IN_STATE = Statement("""
    WITH RECURSIVE known(queue) AS (
        SELECT (SELECT min(job.queue) FROM job {by_job_unfinished} WHERE {unfinished})
        UNION ALL
        SELECT (
            SELECT min(job.queue) FROM job {by_job_unfinished}
            WHERE {unfinished} AND job.queue > known.queue
        )
        FROM known WHERE known.queue IS NOT NULL
    )
    SELECT queue, (
        SELECT count(*) FROM job {by_job_unfinished}
        WHERE {unfinished} AND job.queue = known.queue AND job.state = :state
    )
    FROM known WHERE queue IS NOT NULL
""")
# How long the oldest job that may start has waited, by queue. In each flow the first by turn is the
# oldest. Indexes: all of `flow`, and `job_flow`.
_OLDEST = Statement("""
    SELECT flow.queue, {now} - min((
        SELECT job.create_time {from_flow} AND job.next_run_time <= {moment}
        ORDER BY job.turn, job.job_id LIMIT 1
    ))
    FROM flow GROUP BY flow.queue
""")
# Both read the table `worker`, which has a row for each process.
_LIVE = Statement("SELECT queues FROM worker WHERE heartbeat_time >= {now} - :dead_ms")
_NEWEST_BEAT = Statement("SELECT max(heartbeat_time) FROM worker")
# Index: the primary key.
_SPENDING = Statement("SELECT reserved, spent FROM spending WHERE owner = :owner AND span = :span")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One moment of the database; times in ms. A queue or state that has nothing is left out.

    `oldest_ms` is how long the oldest job that may start has waited, by queue. `newest_beat` is the
    time of the last heartbeat of any worker. The money is that of this day.
    """

    now: int
    unfinished: dict[tuple[str, State], int]
    oldest_ms: dict[str, int]
    live_workers: dict[str, int]
    newest_beat: int | None
    reserved_micros: int
    spent_micros: int
    open_circuits: dict[str, int]


def look(db: Database) -> Overview:
    """The installation as it is now."""
    return db.read(look_within)


def look_within(session: Session) -> Overview:
    """`look` as a part of a transaction."""
    now = session.now_ms()
    today = span(Period.DAY, now)
    money = session.row(_SPENDING, owner=INSTALLATION, span=today) or (0, 0)
    beat = session.row(_NEWEST_BEAT)
    return Overview(
        now=now,
        unfinished=_unfinished(session),
        oldest_ms={
            queue: max(int(age), 0) for queue, age in session.rows(_OLDEST) if age is not None
        },
        live_workers=_live_workers(session),
        newest_beat=int(beat[0]) if beat and beat[0] is not None else None,
        reserved_micros=int(money[0]),
        spent_micros=int(money[1]),
        open_circuits={name: int(until) for name, until in session.rows(circuits.OPEN)},
    )


def _unfinished(session: Session) -> dict[tuple[str, State], int]:
    found = {(queue, State.QUEUED): int(count) for queue, count in session.rows(_WAITING)}
    for state in (State.RUNNING, State.RECONCILING):
        found |= {(q, state): int(count) for q, count in session.rows(_IN_STATE, state=state)}
    return {place: count for place, count in found.items() if count}


def _live_workers(session: Session) -> dict[str, int]:
    live: dict[str, int] = {}
    for (queues,) in session.rows(_LIVE, dead_ms=DEAD_MS):
        for queue in queues.split(","):
            live[queue] = live.get(queue, 0) + 1
    return live
