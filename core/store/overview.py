"""The installation at a glance, for its metrics and its doctor."""

from dataclasses import dataclass

from core.jobs import State
from core.store import circuits
from core.store.budgets import INSTALLATION, Period, span
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.workers import DEAD_MS

# How many jobs have not ended, by queue and state. Index: `job_unfinished`.
_UNFINISHED = Statement("""
    SELECT queue, state, count(*) FROM job
    WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING')
    GROUP BY queue, state
""")
# How long the oldest job that may start has waited, by queue. Index: `job_waiting`.
_OLDEST = Statement("""
    SELECT queue, {now} - min(create_time) FROM job
    WHERE state = 'QUEUED' AND next_run_time <= {now}
    GROUP BY queue
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
    return db.read(_look)


def _look(session: Session) -> Overview:
    now = session.now_ms()
    today = span(Period.DAY, now)
    money = session.row(_SPENDING, owner=INSTALLATION, span=today) or (0, 0)
    beat = session.row(_NEWEST_BEAT)
    return Overview(
        now=now,
        unfinished={(q, State(state)): int(n) for q, state, n in session.rows(_UNFINISHED)},
        oldest_ms={queue: max(int(age), 0) for queue, age in session.rows(_OLDEST)},
        live_workers=_live_workers(session),
        newest_beat=int(beat[0]) if beat and beat[0] is not None else None,
        reserved_micros=int(money[0]),
        spent_micros=int(money[1]),
        open_circuits={name: int(until) for name, until in session.rows(circuits.OPEN)},
    )


def _live_workers(session: Session) -> dict[str, int]:
    live: dict[str, int] = {}
    for (queues,) in session.rows(_LIVE, dead_ms=DEAD_MS):
        for queue in queues.split(","):
            live[queue] = live.get(queue, 0) + 1
    return live
