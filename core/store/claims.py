"""Claims of jobs by workers: claim, renew, hand back, reschedule.

These write the job's row and change no state, so they count no revision and write no event.
`fence` rises at every claim: a run that was frozen and wakes up changes nothing. `starts` claims a
job and starts it at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.events import Event
from core.jobs import Job, Progress, Step
from core.process import failpoints
from core.store.change import Run
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement
from core.store.rows import JOB_NAMES, jobs_from_rows

# Takes the job that runs and has been due for longest (index `job_due`). When none is due, takes
# the first by turn of those that wait and may start (index `flow_first`, and primary keys).
_CLAIM = Statement("""
    UPDATE job SET {taken}
    WHERE job_id = coalesce(
        (SELECT job_id FROM job WHERE {run_due} ORDER BY next_run_time LIMIT 1 {skip_locked}),
        (
            SELECT job_id FROM job WHERE {among_first} AND {still_queued} AND {waits}
            ORDER BY turn, job_id LIMIT 1 {skip_locked}
        )
    )
    RETURNING {job_columns}
""")
# Prolongs the lease of the run and keeps how far it is. Index: the primary key.
_RENEW = Statement("""
    UPDATE job SET lease_expire_time = {now} + :lease_ms, stage = :stage, percent = :percent,
        percent_estimated = :estimated, progress_message = :message
    WHERE job_id = :job_id AND fence = :fence AND {held}
""")
# Ends the lease of the run and says when the job is due again. A claim that never started was no
# run, so `attempt` goes back too. When somebody asked for a cancel meanwhile, the job is due soon.
# Index: the primary key.
_HAND_BACK = Statement("""
    UPDATE job SET lease_expire_time = NULL, worker_id = NULL,
        next_run_time = {now} + CASE
            WHEN cancel_request_time IS NOT NULL AND :delay_ms > :soon_ms THEN :soon_ms
            ELSE :delay_ms END,
        tries = :tries,
        attempt = attempt - CASE WHEN state = 'QUEUED' THEN 1 ELSE 0 END
    WHERE job_id = :job_id AND fence = :fence AND {held}
""")
SOON_MS = 500
# Gives a job whose operation is done back to be fetched. Index: the primary key.
_FETCH_NEXT = Statement("""
    UPDATE job SET step = 'FETCH', cost_actual = :charged, lease_expire_time = NULL,
        worker_id = NULL, next_run_time = {now}, tries = 0
    WHERE job_id = :job_id AND fence = :fence AND state = 'RUNNING'
""")
# Which of the jobs should stop: a cancel was asked for, or they have ended. Index: the primary key.
_STOPPING = Statement("""
    SELECT job_id FROM job
    WHERE job_id = ANY(:job_ids) AND (cancel_request_time IS NOT NULL OR end_time IS NOT NULL)
""")
# How many jobs wait and may start, counted up to `most`. Indexes: `flow_first` and `job_flow`.
_WAITING = Statement("SELECT count(*) FROM (SELECT 1 {startable} LIMIT :most) waiting")
# How many jobs run and are due, counted up to `most`. Index: `job_due`.
_DUE = Statement("SELECT count(*) FROM (SELECT 1 FROM job WHERE {run_due} LIMIT :most) due")
# The jobs whose deadline passed first, a hundred of each kind of deadline.
# Indexes: `job_deadline` and `job_start_deadline`.
_OVERDUE = Statement("""
    SELECT user_id, job_id FROM (
        SELECT user_id, job_id FROM job
        WHERE finish_deadline <= {moment} AND finish_deadline IS NOT NULL
            AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')
        ORDER BY finish_deadline LIMIT 100
    ) ends
    UNION
    SELECT user_id, job_id FROM (
        SELECT user_id, job_id FROM job
        WHERE start_deadline <= {moment} AND start_deadline IS NOT NULL AND state = 'QUEUED'
        ORDER BY start_deadline LIMIT 100
    ) starts
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker may run until its lease ends, and what it has to do next."""

    job: Job
    run: Run
    step: Step
    operation: str
    at_risk: bool = False
    tries: int = 0
    # The amount that the provider said it charges; it is settled when the job ends.
    charged_micros: int | None = None
    # The event of the start, when `starts.claim_and_start` also started the job.
    event: Event | None = None


def claim(
    db: Database, queue: str, worker_id: str, lease_ms: int, user_concurrency: int
) -> Claim | None:
    """Takes the next job: first one that runs and is due, else the first by turn that may start."""

    def work(session: Session) -> Row | None:
        return take(session, queue, worker_id, lease_ms, user_concurrency)

    claimed = claim_from_row(db, db.write(work, alone=True))
    failpoints.hit("claim.after")
    return claimed


def take(
    session: Session, queue: str, worker_id: str, lease_ms: int, user_concurrency: int
) -> Row | None:
    """`claim` as a part of a transaction; gives the job's row with the columns JOB_NAMES."""
    return session.row(
        _CLAIM,
        queue=queue,
        user_concurrency=user_concurrency,
        worker_id=worker_id,
        lease_ms=lease_ms,
    )


def claim_from_row(db: Database, row: Row | None) -> Claim | None:
    """The claim of a job that was just taken; None when there was none to take."""
    return claims_from_rows(db, [row])[0] if row else None


def claims_from_rows(db: Database, rows: Sequence[Row]) -> list[Claim]:
    """The claims of jobs that were just taken.

    Reads their outputs after the claim's transaction, because a read may be repeated after a lost
    connection and a claim may not.
    """
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
    """Prolongs the lease and keeps how far the run is; False when another run has the job."""
    return _changes(
        db,
        _RENEW,
        run,
        lease_ms=lease_ms,
        stage=progress.stage,
        percent=progress.percent,
        estimated=progress.estimated,
        message=progress.message,
    )


def hand_back(db: Database, run: Run, delay_ms: int = 0, *, tries: int = 0) -> bool:
    """Gives the job back, to be run again after the delay; this is no failed attempt."""
    return _changes(db, _HAND_BACK, run, delay_ms=delay_ms, soon_ms=SOON_MS, tries=tries)


def fetch_next(db: Database, run: Run, charged_micros: int | None) -> bool:
    """Gives a job whose operation is done back to be fetched, and keeps the provider's figure."""
    return _changes(db, _FETCH_NEXT, run, charged=charged_micros)


def _changes(db: Database, statement: Statement, run: Run, **values: object) -> bool:
    values |= {"job_id": run.job_id, "fence": run.fence}
    return db.write(lambda session: session.run(statement, **values), alone=True) == 1


def stop_asked(db: Database, job_ids: Sequence[str]) -> set[str]:
    """Those of the jobs for which a cancel was asked, or that have ended."""
    return {row[0] for row in db.rows(_STOPPING, job_ids=list(job_ids))}


def claimable(db: Database, queue: str, user_concurrency: int, most: int) -> int:
    """How many jobs of the queue a worker could take now, counted up to `most` of each sort."""
    waiting = db.row(_WAITING, queue=queue, most=most, user_concurrency=user_concurrency)
    due = db.row(_DUE, queue=queue, most=most)
    return int(waiting[0] if waiting else 0) + int(due[0] if due else 0)


def overdue(db: Database) -> list[tuple[str, str]]:
    """User and job of some jobs that have a deadline which is over."""
    return [(row[0], row[1]) for row in db.rows(_OVERDUE)]
