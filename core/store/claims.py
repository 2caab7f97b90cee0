"""Who runs what: claim, renew, hand back, reschedule.

They write the job's row and change no state: no revision, no event. Only a claim may be a start
too, of a job that has no submit. `fence` rises at every claim, so that a run that was frozen and
wakes changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.events import Event
from core.jobs import Job, Progress, Step
from core.process import failpoints
from core.store.change import Locked, Run, bump, locked_job
from core.store.circuits import LEFT_ALONE
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement
from core.store.rows import JOB_COLUMNS, JOB_NAMES, jobs_from_rows
from core.store.transitions import start_locked

# Of a provider that is not left alone.
_CLOSED = f"job.provider NOT IN (SELECT circuit.provider FROM circuit WHERE {LEFT_ALONE})"
FREE = "(job.lease_expire_time IS NULL OR job.lease_expire_time < {now})"
# Which queued jobs could start now: those of users who run fewer jobs than they may, and of
# providers that are not left alone (`circuits`). Sets, so that passing over a thousand jobs of one
# user costs no query for each; the first condition on the state is that of the index `job_due`.
MAY_START = (
    "job.user_id NOT IN (SELECT r.user_id FROM job r"
    " WHERE r.state IN ('RUNNING', 'RECONCILING') AND r.state = 'RUNNING'"
    " GROUP BY r.user_id HAVING count(*) >= :user_concurrency)"
    f" AND {_CLOSED}"
)
# `attempt` counts runs: it rises when one starts, or when the last was lost without a hand-back. A
# lost poll is no lost run: it did nothing, and the operation goes on.
TAKE = (
    "UPDATE job SET fence = fence + 1, worker_id = :worker_id,"
    " lease_expire_time = {now} + :lease_ms, attempt = attempt + CASE"
    " WHEN state = 'QUEUED' OR (lease_expire_time IS NOT NULL AND step <> 'POLL')"
    " THEN 1 ELSE 0 END, percent = CASE WHEN lease_expire_time IS NOT NULL AND step <> 'POLL'"
    " THEN 0 ELSE percent END"
)
# Of a provider that is left alone: all but what it would be sent.
_RUN_DUE = (
    "queue = :queue AND state IN ('RUNNING', 'RECONCILING') AND next_run_time <= {now}"
    f" AND (step <> 'POLL' OR state = 'RECONCILING') AND {FREE}"
    f" AND (step <> 'SUBMIT' OR at_risk OR cancel_request_time IS NOT NULL OR {_CLOSED})"
)
_FIRST = "(SELECT job_id FROM job WHERE %s LIMIT 1 {skip_locked})"
_WAITS = (
    f"queue = :queue AND state = 'QUEUED' AND next_run_time <= {{now}} AND {FREE} AND {MAY_START}"
)
# The second is looked for only when there is none of the first.
_CLAIM = Statement(
    f"{TAKE} WHERE job_id = coalesce({_FIRST % f'{_RUN_DUE} ORDER BY next_run_time'},"
    f" {_FIRST % f'{_WAITS} ORDER BY turn, job_id'}) RETURNING {JOB_COLUMNS}"
)
# Locked without waiting, since whoever holds a user may wait for one of its jobs.
_USER = "(SELECT s.revision FROM user_stream s WHERE s.user_id = job.user_id {skip_locked})"
# The first by turn whose user nobody is changing, if nothing is due that runs: the user's revision
# as it is, and as it was when the statement began, which is what it counts.
_LOCK_FIRST = Statement(
    f"SELECT {{now}}, {_USER},"
    " (SELECT u.revision FROM user_stream u WHERE u.user_id = job.user_id),"
    " (SELECT count(*) FROM job r WHERE r.user_id = job.user_id AND r.state = 'RUNNING'),"
    f" {JOB_COLUMNS} FROM job WHERE job_id = "
    + _FIRST
    % (
        f"{_WAITS} AND NOT EXISTS (SELECT 1 FROM job WHERE {_RUN_DUE})"
        f" AND EXISTS {_USER} ORDER BY turn, job_id"
    )
    + " {for_update}"
)
# A change may have taken the job from its run without another claim: an operation was learned of.
HELD = "lease_expire_time IS NOT NULL AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')"
_RENEW = Statement(
    "UPDATE job SET lease_expire_time = {now} + :lease_ms, stage = :stage, percent = :percent,"
    " percent_estimated = :estimated, progress_message = :message"
    f" WHERE job_id = :job_id AND fence = :fence AND {HELD}"
)
# A claim that never started was no run: `attempt` goes back too. Who asked for a cancel meanwhile
# does not wait for the whole delay.
_HAND_BACK = Statement(
    "UPDATE job SET lease_expire_time = NULL, worker_id = NULL, next_run_time = {now} +"
    " CASE WHEN cancel_request_time IS NOT NULL AND :delay_ms > :soon_ms THEN :soon_ms"
    " ELSE :delay_ms END, tries = :tries,"
    " attempt = attempt - CASE WHEN state = 'QUEUED' THEN 1 ELSE 0 END"
    " WHERE job_id = :job_id AND fence = :fence"
    f" AND {HELD}"
)
SOON_MS = 500
_FETCH_NEXT = Statement(
    "UPDATE job SET step = 'FETCH', cost_actual = :charged, lease_expire_time = NULL,"
    " worker_id = NULL, next_run_time = {now}, tries = 0"
    " WHERE job_id = :job_id AND fence = :fence AND state = 'RUNNING'"
)
_CANCELLED = Statement(
    "SELECT job_id FROM job WHERE job_id = ANY(:job_ids)"
    " AND (cancel_request_time IS NOT NULL OR end_time IS NOT NULL)"
)
_WAITING = Statement(f"SELECT count(*) FROM (SELECT 1 FROM job WHERE {_WAITS} LIMIT :most) waiting")
_DUE = Statement(f"SELECT count(*) FROM (SELECT 1 FROM job WHERE {_RUN_DUE} LIMIT :most) due")
_OVERDUE = Statement(
    "SELECT user_id, job_id FROM (SELECT user_id, job_id FROM job WHERE finish_deadline <= {now}"
    " AND state IN ('QUEUED', 'RUNNING', 'RECONCILING') ORDER BY finish_deadline LIMIT 100) ends"
    " UNION SELECT user_id, job_id FROM (SELECT user_id, job_id FROM job"
    " WHERE start_deadline <= {now} AND start_deadline IS NOT NULL AND state = 'QUEUED'"
    " ORDER BY start_deadline LIMIT 100) starts"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker may run until its lease ends, and what it has to do next."""

    job: Job
    run: Run
    step: Step
    operation: str
    at_risk: bool = False
    tries: int = 0
    # What the provider said that it charges; settled at the end.
    charged_micros: int | None = None
    # Of the start, if that was made with the claim; to be told.
    started: Event | None = None


def claim(
    db: Database,
    queue: str,
    worker_id: str,
    lease_ms: int,
    user_concurrency: int,
    local: Sequence[str] = (),
) -> Claim | None:
    """Takes the next job: first what was running and is due, then the first by turn.

    A job of the providers `local`, which have no submits, is started in the same transaction,
    unless something else of its user changes just now.
    """
    values = {"queue": queue, "user_concurrency": user_concurrency}

    def work(session: Session) -> Claim | Row | None:
        first = session.row(_LOCK_FIRST, **values) if local else None
        locked = first and _startable(first, local, user_concurrency)
        if locked:
            return _start(session, locked, worker_id, lease_ms, user_concurrency)
        return session.row(_CLAIM, **values, worker_id=worker_id, lease_ms=lease_ms)

    found = db.write(work, alone=not local)
    claimed = found if isinstance(found, Claim | None) else claims_from_rows(db, [found])[0]
    failpoints.hit("claim.after")
    if claimed is not None and claimed.started is not None:
        failpoints.hit("start.after_commit")
    return claimed


def _startable(row: Row, local: Sequence[str], user_concurrency: int) -> Locked | None:
    """The job of the row, locked with its user, if it can start at once and without a question."""
    now_ms, revision, counted_at, running, *values = row
    columns = dict(zip(JOB_NAMES, values, strict=True))
    locked = locked_job(now_ms, revision + 1, running, False, columns)
    # The count of what runs holds only if nothing of the user has changed since.
    room = revision == counted_at and running < user_concurrency
    # A claim that was lost counts as an attempt, and there may be no more of those.
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
    return Claim(job=event.job, run=run, step=locked.step, operation="", started=event)


def claims_from_rows(db: Database, rows: Sequence[Row]) -> list[Claim]:
    """The claims of jobs just taken; in a read of its own, which may be made again."""
    jobs = jobs_from_rows(db, rows)
    return [_claim(job, row) for job, row in zip(jobs, rows, strict=True)]


def _claim(job: Job, row: Row) -> Claim:
    values = dict(zip(JOB_NAMES, row, strict=True))
    return Claim(
        job=job,
        run=Run(job.user_id, job.job_id, int(values["fence"])),
        step=Step(values["step"]),
        operation=values["operation"],
        at_risk=bool(values["at_risk"]),
        tries=int(values["tries"]),
        charged_micros=values["cost_actual"],
    )


def renew(db: Database, run: Run, lease_ms: int, progress: Progress) -> bool:
    """Prolongs the lease, keeps how far the run is; False when the job is another run's."""
    values = {
        "stage": progress.stage,
        "percent": progress.percent,
        "estimated": progress.estimated,
        "message": progress.message,
    }
    return _changes(db, _RENEW, run, lease_ms=lease_ms, **values)


def hand_back(db: Database, run: Run, delay_ms: int = 0, *, tries: int = 0) -> bool:
    """Gives the job back, to be run again after the delay; that is no failed attempt."""
    values = {"delay_ms": delay_ms, "soon_ms": SOON_MS, "tries": tries}
    return _changes(db, _HAND_BACK, run, **values)


def fetch_next(db: Database, run: Run, charged_micros: int | None) -> bool:
    """The operation is done: gives the job back to be fetched; keeps the provider's figure."""
    return _changes(db, _FETCH_NEXT, run, charged=charged_micros)


def _changes(db: Database, statement: Statement, run: Run, **values: object) -> bool:
    values |= {"job_id": run.job_id, "fence": run.fence}
    return db.write(lambda session: session.run(statement, **values), alone=True) == 1


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
