"""Who runs what: claim, renew, hand back, reschedule. No state changes: no revision, no event.

Each is one statement on the job's row. `fence` rises at every claim, so that a run that was frozen
and wakes changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.jobs import Job, Progress, Step
from core.store.database import Database, Row, Session
from core.store.rows import JOB_COLUMNS, JOB_NAMES, jobs_from_rows
from core.store.sql import Statement
from core.store.transitions import Run

_FREE = "(lease_expire_time IS NULL OR lease_expire_time < {now})"
_HAS_ROOM = (
    "(SELECT count(*) FROM job r WHERE r.user_id = job.user_id AND r.state = 'RUNNING')"
    " < :user_concurrency"
)
# `attempt` counts runs: it rises when one starts, or when the last was lost without a hand-back.
_CLAIM = (
    "UPDATE job SET fence = fence + 1, worker_id = :worker_id,"
    " lease_expire_time = {now} + :lease_ms, attempt = attempt + CASE"
    " WHEN state = 'QUEUED' OR lease_expire_time IS NOT NULL THEN 1 ELSE 0 END,"
    " percent = CASE WHEN lease_expire_time IS NOT NULL THEN 0 ELSE percent END"
    " WHERE job_id = (SELECT job_id FROM job WHERE %s LIMIT 1 {skip_locked})"
    f" RETURNING {JOB_COLUMNS}"
)
_CLAIM_DUE = Statement(
    _CLAIM
    % (
        "queue = :queue AND state IN ('RUNNING', 'RECONCILING') AND next_run_time <= {now}"
        f" AND {_FREE} ORDER BY next_run_time"
    )
)
_CLAIM_QUEUED = Statement(
    _CLAIM
    % (
        "queue = :queue AND state = 'QUEUED' AND next_run_time <= {now}"
        f" AND {_FREE} AND {_HAS_ROOM} ORDER BY turn, job_id"
    )
)
_RENEW = Statement(
    "UPDATE job SET lease_expire_time = {now} + :lease_ms, stage = :stage, percent = :percent,"
    " progress_message = :message WHERE job_id = :job_id AND fence = :fence"
    " AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')"
)
# A claim that never started was no run: `attempt` goes back too.
_HAND_BACK = Statement(
    "UPDATE job SET lease_expire_time = NULL, worker_id = NULL, next_run_time = {now} + :delay_ms,"
    " attempt = attempt - CASE WHEN state = 'QUEUED' THEN 1 ELSE 0 END"
    " WHERE job_id = :job_id AND fence = :fence"
    " AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')"
)
_RECORD_STEP = Statement(
    "UPDATE job SET step = :step, operation = :operation"
    " WHERE job_id = :job_id AND fence = :fence AND state = 'RUNNING'"
)
_CANCELLED = Statement(
    "SELECT job_id FROM job WHERE job_id = ANY(:job_ids)"
    " AND (cancel_request_time IS NOT NULL OR end_time IS NOT NULL)"
)
_WAITING = Statement(
    "SELECT count(*) FROM (SELECT 1 FROM job WHERE queue = :queue AND state = 'QUEUED'"
    f" AND next_run_time <= {{now}} AND {_FREE} AND {_HAS_ROOM} LIMIT :most) waiting"
)
_DUE = Statement(
    "SELECT count(*) FROM (SELECT 1 FROM job WHERE queue = :queue"
    " AND state IN ('RUNNING', 'RECONCILING')"
    f" AND next_run_time <= {{now}} AND {_FREE} LIMIT :most) due"
)
_OVERDUE = Statement(
    "SELECT user_id, job_id FROM job WHERE finish_deadline <= {now}"
    " AND state IN ('QUEUED', 'RUNNING', 'RECONCILING') ORDER BY finish_deadline LIMIT 100"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker may run until its lease ends, and what it has to do next."""

    job: Job
    run: Run
    step: Step
    operation: str


def claim(
    db: Database, queue: str, worker_id: str, lease_ms: int, user_concurrency: int
) -> Claim | None:
    """Takes the next job: first what was running and is due, then the first by turn."""
    values = {"queue": queue, "worker_id": worker_id, "lease_ms": lease_ms}

    def work(session: Session) -> Claim | None:
        row = session.row(_CLAIM_DUE, **values)
        if row is None:
            row = session.row(_CLAIM_QUEUED, **values, user_concurrency=user_concurrency)
        return None if row is None else _claim_from_row(session, row)

    return db.write(work)


def _claim_from_row(session: Session, row: Row) -> Claim:
    [job] = jobs_from_rows(session, [row])
    values = dict(zip(JOB_NAMES, row, strict=True))
    run = Run(job.user_id, job.job_id, int(values["fence"]))
    return Claim(job, run, Step(values["step"]), values["operation"])


def renew(db: Database, run: Run, lease_ms: int, progress: Progress) -> bool:
    """Prolongs the lease, keeps how far the run is; False when the job is another run's."""
    values = {
        "stage": progress.stage,
        "percent": progress.percent,
        "message": progress.message,
    }
    return _changes(db, _RENEW, run, lease_ms=lease_ms, **values)


def hand_back(db: Database, run: Run, delay_ms: int = 0) -> bool:
    """Gives the job back, to be run again after the delay; that is no failed attempt."""
    return _changes(db, _HAND_BACK, run, delay_ms=delay_ms)


def record_step(db: Database, run: Run, step: Step, operation: str) -> bool:
    """Keeps what the next step is, and the provider's operation."""
    return _changes(db, _RECORD_STEP, run, step=step, operation=operation)


def _changes(db: Database, statement: Statement, run: Run, **values: object) -> bool:
    values |= {"job_id": run.job_id, "fence": run.fence}
    return db.write(lambda session: session.run(statement, **values)) == 1


def stop_asked(db: Database, job_ids: Sequence[str]) -> set[str]:
    """Those of the jobs for which a cancel was asked, or that have ended."""
    return {row[0] for row in db.rows(_CANCELLED, job_ids=list(job_ids))}


def claimable(db: Database, queue: str, user_concurrency: int, most: int) -> int:
    """How many jobs of the queue a worker could take now, counted up to `most` of each sort."""
    values = {"queue": queue, "most": most}
    waiting = db.row(_WAITING, **values, user_concurrency=user_concurrency)
    due = db.row(_DUE, **values)
    return int(waiting[0] if waiting else 0) + int(due[0] if due else 0)


def overdue(db: Database) -> list[tuple[str, str]]:
    """User and job of some jobs whose finish deadline is over."""
    return [(row[0], row[1]) for row in db.rows(_OVERDUE)]
