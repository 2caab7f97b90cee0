"""How the queues fare, for administrators."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from core.jobs import State
from core.store import overview, pauses, workers
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.pauses import Pause
from core.store.workers import WorkerState

# How long the jobs waited that started last, by their turns. Index: `job_reached`.
_WAITS = Statement("""
    SELECT start_time - create_time FROM job
    WHERE queue = :queue AND start_time IS NOT NULL ORDER BY turn DESC LIMIT :most
""")
# What ended lately. Index: `job_ended`.
_ENDED = Statement("""
    SELECT queue, state, count(*) FROM job
    WHERE end_time >= {moment} - :recent_ms AND end_time IS NOT NULL GROUP BY queue, state
""")
SAMPLES = 50
RECENT_MS = 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One queue now; spans in milliseconds, None where there is nothing to tell.

    `succeeded` and `failed` are of the last hour. `workers` are live and do not end.
    """

    queue: str
    queued: int
    running: int
    reconciling: int
    oldest_wait_ms: int | None
    median_wait_ms: int | None
    succeeded: int
    failed: int
    workers: int
    pause: Pause | None


def look(db: Database, queues: Sequence[str]) -> list[QueueStats]:
    """These queues, and whatever other queue has jobs or is paused, as of one moment."""

    def work(session: Session) -> list[QueueStats]:
        seen, paused = overview.look_within(session), pauses.paused(session)
        ended = {(queue, State(state)): int(n) for queue, state, n in _ended(session)}
        serving = [w.queues for w in workers.list_all(session) if w.state is WorkerState.ACTIVE]
        busy = sorted({queue for queue, _ in seen.unfinished} | paused.keys())
        return [
            QueueStats(
                queue=queue,
                queued=seen.unfinished.get((queue, State.QUEUED), 0),
                running=seen.unfinished.get((queue, State.RUNNING), 0),
                reconciling=seen.unfinished.get((queue, State.RECONCILING), 0),
                oldest_wait_ms=seen.oldest_ms.get(queue),
                median_wait_ms=_median_wait(session, queue),
                succeeded=ended.get((queue, State.SUCCEEDED), 0),
                failed=ended.get((queue, State.FAILED), 0),
                workers=sum(queue in served for served in serving),
                pause=paused.get(queue),
            )
            for queue in dict.fromkeys([*queues, *busy])
        ]

    return db.read(work)


def _ended(session: Session) -> list[tuple[str, str, int]]:
    return [(row[0], row[1], row[2]) for row in session.rows(_ENDED, recent_ms=RECENT_MS)]


def _median_wait(session: Session, queue: str) -> int | None:
    waits = [int(row[0]) for row in session.rows(_WAITS, queue=queue, most=SAMPLES)]
    return statistics.median_low(waits) if waits else None
