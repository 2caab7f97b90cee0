"""The queues as callers see them: places, how long it takes, and why a job does not move.

A job's position is its rank in the order in which jobs would be claimed if workers took them now:
first those that may start (`claims.MAY_START`), then those that wait for one of their user's jobs
to end or for their provider to answer, each by turn.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from core.events import QueueInfo
from core.store.circuits import left_alone
from core.store.claims import MAY_START
from core.store.durations import Durations, Runs
from core.store.engine.database import Database, Row
from core.store.engine.sql import Statement
from core.store.turns import read_next
from core.store.workers import served_queues
from core.times import utc

T = TypeVar("T")

_LINE = "FROM job WHERE job.queue = mine.queue AND job.state = 'QUEUED'"
# Among its like by turn; what has to wait for something else comes after all that has not.
_PLACE = (
    f"(SELECT count(*) {_LINE} AND ({MAY_START}) = mine.free AND %s)"
    f" + CASE WHEN mine.free THEN 0 ELSE (SELECT count(*) {_LINE} AND {MAY_START}) END"
)
_OF_JOB = Statement(
    "WITH mine AS (SELECT job_id, queue, turn, provider, model,"
    f" ({MAY_START}) AS free FROM job WHERE job_id = :job_id AND state = 'QUEUED')"
    " SELECT job_id, queue, provider, model,"
    f" {_PLACE % '(job.turn, job.job_id) <= (mine.turn, mine.job_id)'} FROM mine"
)
_OF_JOBS = Statement(
    "SELECT job_id, queue, provider, model, place FROM (SELECT job_id, queue, provider, model,"
    f" row_number() OVER (PARTITION BY queue ORDER BY ({MAY_START}) DESC, turn, job_id) AS place"
    " FROM job WHERE state = 'QUEUED') waiting WHERE job_id = ANY(:job_ids)"
)
# After what waits no later than the turn that `accept` would give.
_NEXT = Statement(
    f"WITH mine AS (SELECT queue, turn, ({MAY_START}) AS free FROM (SELECT :queue AS queue,"
    " :user_id AS user_id, :provider AS provider, CAST(:turn AS BIGINT) AS turn) job)"
    f" SELECT 1 + {_PLACE % 'job.turn <= mine.turn'} FROM mine"
)
# The first condition on the state is that of the index `job_due`.
_RUNNING = Statement(
    "SELECT queue, count(*) FROM job WHERE state IN ('RUNNING', 'RECONCILING')"
    " AND state = 'RUNNING' GROUP BY queue"
)
FRESH_SECONDS = 1.0


class Queues:
    """Looks at the queues for one process, from any thread.

    What many jobs share is read at most once in FRESH_SECONDS.
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
        """The places of those of the jobs that wait: one count of the queues for all."""
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
        """Each end of a run makes room for one, and `running` runs end in the time of one: so a
        place costs run / running. The first may cost less: it does where workers are idle."""
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
        """What `read` gave lately. Two threads may read at once: no harm."""
        now = time.monotonic()
        read_at, value = self._read.get(key, (float("-inf"), None))
        if now - read_at > FRESH_SECONDS:
            value = read()
            self._read[key] = now, value
        found: T = value
        return found
