"""Who runs what: claim, renew, hand back, reschedule. No state changes: no revision, no event.

Each is one statement on the job's row. `fence` rises at every claim, so that a run that was frozen
and wakes changes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core import failpoints
from core.jobs import Job, Progress, Step
from core.store.change import Run
from core.store.circuits import LEFT_ALONE
from core.store.database import Database, Row, Session
from core.store.rows import JOB_COLUMNS, JOB_NAMES, jobs_from_rows
from core.store.sql import Dialect, Statement

# Of a provider that is not left alone.
_CLOSED = f"job.provider NOT IN (SELECT circuit.provider FROM circuit WHERE {LEFT_ALONE})"
_FREE = "(lease_expire_time IS NULL OR lease_expire_time < {now})"
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
_TAKE = (
    "UPDATE job SET fence = fence + 1, worker_id = :worker_id,"
    " lease_expire_time = {now} + :lease_ms, attempt = attempt + CASE"
    " WHEN state = 'QUEUED' OR (lease_expire_time IS NOT NULL AND step <> 'POLL')"
    " THEN 1 ELSE 0 END, percent = CASE WHEN lease_expire_time IS NOT NULL AND step <> 'POLL'"
    " THEN 0 ELSE percent END"
)
_POLLED = (
    f"state = 'RUNNING' AND step = 'POLL' AND queue = ANY(:queues) AND {_FREE}"
    " AND (cancel_request_time IS NOT NULL OR NOT provider = ANY(:but))"
)
# MATERIALIZED: else PostgreSQL may lock other rows than it changes.
_CLAIM_POLLS = Statement(
    f"WITH due AS MATERIALIZED (SELECT job_id FROM job WHERE {_POLLED}"
    " AND next_run_time <= {now} ORDER BY next_run_time LIMIT :most {skip_locked})"
    f" {_TAKE} WHERE job_id IN (SELECT job_id FROM due) RETURNING {JOB_COLUMNS}"
)
# No min(): that would visit every operation, and this walks along the index `job_poll`.
_NEXT_POLL = Statement(
    f"SELECT next_run_time - {{now}} FROM job WHERE {_POLLED} ORDER BY next_run_time LIMIT 1"
)
# Of a provider that is left alone: all but what it would be sent.
_RUN_DUE = (
    "queue = :queue AND state IN ('RUNNING', 'RECONCILING') AND next_run_time <= {now}"
    f" AND (step <> 'POLL' OR state = 'RECONCILING') AND {_FREE}"
    f" AND (step <> 'SUBMIT' OR at_risk OR cancel_request_time IS NOT NULL OR {_CLOSED})"
)
_FIRST = "(SELECT job_id FROM job WHERE %s LIMIT 1 {skip_locked})"
# The second is looked for only when there is none of the first.
_CLAIM = Statement(
    f"{_TAKE} WHERE job_id = coalesce("
    + _FIRST % f"{_RUN_DUE} ORDER BY next_run_time"
    + ", "
    + _FIRST
    % (
        "queue = :queue AND state = 'QUEUED' AND next_run_time <= {now}"
        f" AND {_FREE} AND {MAY_START} ORDER BY turn, job_id"
    )
    + f") RETURNING {JOB_COLUMNS}"
)
# A change may have taken the job from its run without another claim: an operation was learned of.
_HELD = "lease_expire_time IS NOT NULL AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')"
_RENEW = Statement(
    "UPDATE job SET lease_expire_time = {now} + :lease_ms, stage = :stage, percent = :percent,"
    " percent_estimated = :estimated, progress_message = :message"
    f" WHERE job_id = :job_id AND fence = :fence AND {_HELD}"
)
# A claim that never started was no run: `attempt` goes back too. Who asked for a cancel meanwhile
# does not wait for the whole delay.
_HAND_BACK = Statement(
    "UPDATE job SET lease_expire_time = NULL, worker_id = NULL, next_run_time = {now} +"
    " CASE WHEN cancel_request_time IS NOT NULL AND :delay_ms > :soon_ms THEN :soon_ms"
    " ELSE :delay_ms END, tries = :tries,"
    " attempt = attempt - CASE WHEN state = 'QUEUED' THEN 1 ELSE 0 END"
    " WHERE job_id = :job_id AND fence = :fence"
    f" AND {_HELD}"
)
_SOON_MS = 500
# Many of those at once, after their polls.
_POSTPONE = {
    dialect: Statement(
        "UPDATE job SET lease_expire_time = NULL, worker_id = NULL,"
        " next_run_time = {now} + CASE WHEN cancel_request_time IS NOT NULL"
        " AND p.delay_ms > :soon_ms THEN :soon_ms ELSE p.delay_ms END, tries = p.tries,"
        " percent = CASE WHEN p.percent > job.percent THEN p.percent ELSE job.percent END,"
        " percent_estimated = CASE WHEN p.percent >= job.percent THEN p.estimated"
        " ELSE job.percent_estimated END"
        f" FROM ({given}) p WHERE job.job_id = p.job_id AND job.fence = p.fence AND {_HELD}"
    )
    for dialect, given in {
        Dialect.SQLITE: "SELECT json_extract(value, '$[0]') AS job_id,"
        " json_extract(value, '$[1]') AS fence, json_extract(value, '$[2]') AS delay_ms,"
        " json_extract(value, '$[3]') AS tries, json_extract(value, '$[4]') AS percent,"
        " json_extract(value, '$[5]') AS estimated FROM json_each(:polls)",
        Dialect.POSTGRES: "SELECT value ->> 0 AS job_id, CAST(value ->> 1 AS BIGINT) AS fence,"
        " CAST(value ->> 2 AS BIGINT) AS delay_ms, CAST(value ->> 3 AS INTEGER) AS tries,"
        " CAST(value ->> 4 AS INTEGER) AS percent, CAST(value ->> 5 AS BOOLEAN) AS estimated"
        " FROM json_array_elements(CAST(:polls AS json))",
    }.items()
}
_FETCH_NEXT = Statement(
    "UPDATE job SET step = 'FETCH', cost_actual = :charged, lease_expire_time = NULL,"
    " worker_id = NULL, next_run_time = {now}, tries = 0"
    " WHERE job_id = :job_id AND fence = :fence AND state = 'RUNNING'"
)
_CANCELLED = Statement(
    "SELECT job_id FROM job WHERE job_id = ANY(:job_ids)"
    " AND (cancel_request_time IS NOT NULL OR end_time IS NOT NULL)"
)
_WAITING = Statement(
    "SELECT count(*) FROM (SELECT 1 FROM job WHERE queue = :queue AND state = 'QUEUED'"
    f" AND next_run_time <= {{now}} AND {_FREE} AND {MAY_START}"
    " LIMIT :most) waiting"
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """An operation that was polled and is not done: polled again after the delay."""

    run: Run
    delay_ms: int
    tries: int = 0
    percent: int = 0
    estimated: bool = False


def claim(
    db: Database, queue: str, worker_id: str, lease_ms: int, user_concurrency: int
) -> Claim | None:
    """Takes the next job: first what was running and is due, then the first by turn."""
    values = {"queue": queue, "worker_id": worker_id, "lease_ms": lease_ms}

    def work(session: Session) -> Row | None:
        return session.row(_CLAIM, **values, user_concurrency=user_concurrency)

    row = db.write(work, alone=True)
    claimed = None if row is None else _claims_from_rows(db, [row])[0]
    failpoints.hit("claim.after")
    return claimed


def claim_polls(
    db: Database,
    queues: Sequence[str],
    worker_id: str,
    lease_ms: int,
    most: int,
    but: Sequence[str] = (),
) -> list[Claim]:
    """Takes up to `most` operations that are due to be polled, but none of the providers `but`,
    unless a cancel was asked for."""
    values = {"queues": list(queues), "worker_id": worker_id, "lease_ms": lease_ms, "most": most}

    def work(session: Session) -> list[Row]:
        return session.rows(_CLAIM_POLLS, **values, but=list(but))

    return _claims_from_rows(db, db.write(work, alone=True))


def next_poll_ms(db: Database, queues: Sequence[str], but: Sequence[str] = ()) -> int | None:
    """In how many milliseconds the next poll can be claimed (`claim_polls`); None when there is
    nothing to poll that nobody polls now."""
    row = db.row(_NEXT_POLL, queues=list(queues), but=list(but))
    return None if row is None else int(row[0])


def postpone(db: Database, polls: Sequence[Postponed]) -> int:
    """Gives polled operations back, in one statement, as `hand_back` does one; the percent never
    falls. How many of them were still this worker's."""
    given = [
        (p.run.job_id, p.run.fence, p.delay_ms, p.tries, p.percent, p.estimated) for p in polls
    ]
    values = {"polls": json.dumps(given), "soon_ms": _SOON_MS}
    statement = _POSTPONE[db.dialect]
    return db.write(lambda session: session.run(statement, **values), alone=True)


def _claims_from_rows(db: Database, rows: Sequence[Row]) -> list[Claim]:
    # After the claim, which holds already: a read may be made again.
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
    values = {"delay_ms": delay_ms, "soon_ms": _SOON_MS, "tries": tries}
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
