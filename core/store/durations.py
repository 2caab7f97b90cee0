"""How long the last runs of a model took. The run of an operation counts from its submit."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.jobs import Job, State
from core.progress import progress_now
from core.store.engine.database import Database
from core.store.engine.sql import Statement
from core.store.kept import Kept

# Wait and run of the model's last jobs that succeeded. Index: `job_model`.
_RUNS = Statement("""
    SELECT start_time - create_time, end_time - coalesce(submit_time, start_time) FROM job
    WHERE model = :model AND state = 'SUCCEEDED'
    ORDER BY end_time DESC LIMIT :most
""")
SAMPLES = 50
FRESH_SECONDS = 1.0
# What other threads have while one reads anew.
STALE_SECONDS = 5.0


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
        self._kept = Kept(fresh_seconds, max(fresh_seconds, STALE_SECONDS))

    def of(self, model: str) -> Runs | None:
        """The last runs of the model; None when there were none."""
        return self._kept.get(model, lambda: self._read_runs(model))

    def as_of_now(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs with their progress of now, if past runs of their models say that.

        Only a job that runs moves with the clock, so without one the clock is not read.
        """
        if not any(job.state is State.RUNNING for job in jobs):
            return list(jobs)
        now_ms = self._db.now_ms()
        return [self._as_of(now_ms, job) for job in jobs]

    def _as_of(self, now_ms: int, job: Job) -> Job:
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
