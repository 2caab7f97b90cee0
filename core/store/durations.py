"""How long the last runs of a model took. The run of an operation counts from its submit."""

import statistics
import time
from dataclasses import dataclass, replace

from core.jobs import Job, State
from core.progress import progress_now
from core.store.engine.database import Database
from core.store.engine.sql import Statement

# Wait and run of the model's last jobs that succeeded. Index: `job_model`.
_RUNS = Statement("""
    SELECT start_time - create_time, end_time - coalesce(submit_time, start_time) FROM job
    WHERE model = :model AND state = 'SUCCEEDED'
    ORDER BY end_time DESC LIMIT :most
""")
SAMPLES = 50
FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Runs:
    """Of a model's last `count` runs, in milliseconds: medians, and the tenth percentile."""

    wait_ms: int
    run_ms: int
    early_ms: int
    count: int


class Durations:
    """Answers how long runs took, for one process and from any thread.

    It reads the runs of each model at most once in `fresh_seconds`.
    """

    def __init__(self, db: Database, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._db = db
        self._fresh_seconds = fresh_seconds
        self._read: dict[str, tuple[float, Runs | None]] = {}

    def of(self, model: str) -> Runs | None:
        """The last runs of the model; None when there were none.

        Two threads may read at once, which does no harm.
        """
        now = time.monotonic()
        read_at, runs = self._read.get(model, (float("-inf"), None))
        if now - read_at > self._fresh_seconds:
            runs = self._read_runs(model)
            self._read[model] = now, runs
        return runs

    def job_as_of(self, now_ms: int, job: Job) -> Job:
        """The job with its progress at that time, if past runs of its model say that."""
        runs = self.of(job.spec.model) if job.state is State.RUNNING else None
        if runs is None:
            return job
        return replace(job, progress=progress_now(job, runs.run_ms, now_ms))

    def _read_runs(self, model: str) -> Runs | None:
        rows = self._db.rows(_RUNS, model=model, most=SAMPLES)
        if not rows:
            return None
        waits, runs = (sorted(map(int, column)) for column in zip(*rows, strict=True))
        return Runs(
            wait_ms=statistics.median_low(waits),
            run_ms=statistics.median_low(runs),
            early_ms=runs[len(runs) // 10],
            count=len(runs),
        )
