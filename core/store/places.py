"""The queues as callers see them: places, how long it takes, and why a job does not move.

A job's position is its rank in the order in which workers would claim the jobs now. First come the
jobs that may start (the named part `may_start`). Then come those that wait for another job of
their user to end, or for their provider to answer. Both are in the order of their turns.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from core.events import QueueInfo
from core.store.circuits import left_alone
from core.store.durations import Durations, Runs
from core.store.engine.database import Database, Row
from core.store.engine.sql import Statement
from core.store.turns import read_next
from core.store.workers import served_queues
from core.times import utc

T = TypeVar("T")

# The place of one job: how many of its like have no later turn, plus all that may start when it may
# not. Indexes: the primary key for the job, `job_waiting` for those that are counted.
_OF_JOB = Statement("""
    WITH mine AS (
        SELECT job_id, queue, turn, provider, model, ({may_start}) AS free
        FROM job WHERE job_id = :job_id AND state = 'QUEUED'
    )
    SELECT job_id, queue, provider, model,
        (
            SELECT count(*) FROM job
            WHERE job.queue = mine.queue AND job.state = 'QUEUED' AND ({may_start}) = mine.free
                AND (job.turn, job.job_id) <= (mine.turn, mine.job_id)
        ) + CASE WHEN mine.free THEN 0 ELSE (
            SELECT count(*) FROM job
            WHERE job.queue = mine.queue AND job.state = 'QUEUED' AND {may_start}
        ) END
    FROM mine
""")
# The places of many jobs: numbers all that wait, once. Index: `job_waiting`.
_OF_JOBS = Statement("""
    SELECT job_id, queue, provider, model, place FROM (
        SELECT job_id, queue, provider, model,
            row_number() OVER (
                PARTITION BY queue ORDER BY ({may_start}) DESC, turn, job_id
            ) AS place
        FROM job WHERE state = 'QUEUED'
    ) waiting
    WHERE job_id = ANY(:job_ids)
""")
# The place of a job that is not there yet, counted as in `_OF_JOB`. It would come after all that
# have no later turn than the one that `accept` would give it. Index: `job_waiting`.
_NEXT = Statement("""
    WITH mine AS (
        SELECT coalesce((SELECT running FROM user_stream WHERE user_id = :user_id), 0)
                < :user_concurrency
            AND :provider NOT IN ({left_alone_providers}) AS free
    )
    SELECT 1 + (
        SELECT count(*) FROM job
        WHERE job.queue = :queue AND job.state = 'QUEUED' AND ({may_start}) = mine.free
            AND job.turn <= :turn
    ) + CASE WHEN mine.free THEN 0 ELSE (
        SELECT count(*) FROM job
        WHERE job.queue = :queue AND job.state = 'QUEUED' AND {may_start}
    ) END
    FROM mine
""")
# How many jobs run in each queue. The first condition on the state is that of the partial index
# `job_unfinished`; the second one says what is meant.
_RUNNING = Statement("""
    SELECT queue, count(*) FROM job
    WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND state = 'RUNNING'
    GROUP BY queue
""")
FRESH_SECONDS = 1.0


class Queues:
    """Answers questions about the queues, for one process and from any thread.

    It reads what many jobs share at most once in FRESH_SECONDS.
    """

    def __init__(self, db: Database, user_concurrency: int) -> None:
        self._db = db
        self._user_concurrency = user_concurrency
        self._durations = Durations(db, FRESH_SECONDS)
        self._read: dict[Hashable, tuple[float, Any]] = {}

    def place(self, job_id: str) -> QueueInfo | None:
        """The place of a job that waits; None when it does not."""
        row = self._db.row(_OF_JOB, job_id=job_id, user_concurrency=self._user_concurrency)
        return self._info(row) if row else None

    def places(self, job_ids: Sequence[str]) -> dict[str, QueueInfo]:
        """The places of those of the jobs that wait, by one count of the queues for all of them."""
        if not job_ids:
            return {}
        values = {"job_ids": list(job_ids), "user_concurrency": self._user_concurrency}
        return {row[0]: self._info(row) for row in self._db.rows(_OF_JOBS, **values)}

    def next_place(self, user_id: str, queue: str, provider: str, model: str) -> QueueInfo:
        """The place that a job of the user would get now."""
        turn = read_next(self._db, user_id, queue).turn
        values = {"user_id": user_id, "queue": queue, "provider": provider, "turn": turn}
        row = self._db.row(_NEXT, **values, user_concurrency=self._user_concurrency)
        return self._info(("", queue, provider, model, row[0] if row else 1))

    def _info(self, row: Row) -> QueueInfo:
        _, queue, provider, model, place = row
        runs, blocked = self._durations.of(model), self._blocked(queue, provider)
        return QueueInfo(
            position=int(place),
            estimated_wait_ms=None if blocked or not runs else self._wait(queue, int(place), runs),
            estimated_run_ms=runs.run_ms if runs else None,
            sample_count=runs.count if runs else 0,
            blocked_reason=blocked,
        )

    def _wait(self, queue: str, position: int, runs: Runs) -> int:
        """How long a job at that position waits, in milliseconds.

        Each run that ends makes room for one job. While one run lasts, `running` runs end, so each
        place costs run / running. The first place costs less where workers are idle.
        """
        running = self._kept("running", self._read_running).get(queue, 0)
        place_ms = runs.run_ms // max(running, 1)
        return min(runs.wait_ms, place_ms) + (position - 1) * place_ms

    def _blocked(self, queue: str, provider: str) -> str:
        if queue not in self._kept("served", lambda: served_queues(self._db)):
            return "no worker serves this queue"
        circuit = self._kept("circuits", lambda: left_alone(self._db)).get(provider)
        if circuit is None:
            return ""
        until = f"{utc(circuit.until):%H:%M:%S} UTC"
        if not circuit.failed:
            return f"the provider {provider} asked for a pause until {until}"
        again = "a job tries it again" if circuit.tried else f"it is tried again at {until}"
        return f"the provider {provider} does not answer; {again}"

    def _read_running(self) -> dict[str, int]:
        return {row[0]: int(row[1]) for row in self._db.rows(_RUNNING)}

    def _kept(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gave lately. Two threads may read at once, which does no harm."""
        now = time.monotonic()
        read_at, value = self._read.get(key, (float("-inf"), None))
        if now - read_at > FRESH_SECONDS:
            value = read()
            self._read[key] = now, value
        found: T = value
        return found
