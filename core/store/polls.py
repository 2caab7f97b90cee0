"""Who polls what: operations are claimed many at a time and given back many at a time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.store.change import Run
from core.store.claims import FREE, HELD, SOON_MS, TAKE, Claim, claims_from_rows
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Dialect, Statement
from core.store.rows import JOB_COLUMNS

_POLLED = (
    f"state = 'RUNNING' AND step = 'POLL' AND queue = ANY(:queues) AND {FREE}"
    " AND (cancel_request_time IS NOT NULL OR NOT provider = ANY(:but))"
)
# MATERIALIZED: else PostgreSQL may lock other rows than it changes.
_CLAIM_POLLS = Statement(
    f"WITH due AS MATERIALIZED (SELECT job_id FROM job WHERE {_POLLED}"
    " AND next_run_time <= {now} ORDER BY next_run_time LIMIT :most {skip_locked})"
    f" {TAKE} WHERE job_id IN (SELECT job_id FROM due) RETURNING {JOB_COLUMNS}"
)
# No min(): that would visit every operation, and this walks along the index `job_poll`.
_NEXT_POLL = Statement(
    f"SELECT next_run_time - {{now}} FROM job WHERE {_POLLED} ORDER BY next_run_time LIMIT 1"
)
_POSTPONE = {
    dialect: Statement(
        "UPDATE job SET lease_expire_time = NULL, worker_id = NULL,"
        " next_run_time = {now} + CASE WHEN cancel_request_time IS NOT NULL"
        " AND p.delay_ms > :soon_ms THEN :soon_ms ELSE p.delay_ms END, tries = p.tries,"
        " percent = CASE WHEN p.percent > job.percent THEN p.percent ELSE job.percent END,"
        " percent_estimated = CASE WHEN p.percent >= job.percent THEN p.estimated"
        " ELSE job.percent_estimated END"
        f" FROM ({given}) p WHERE job.job_id = p.job_id AND job.fence = p.fence AND {HELD}"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """An operation that was polled and is not done: polled again after the delay."""

    run: Run
    delay_ms: int
    tries: int = 0
    percent: int = 0
    estimated: bool = False


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

    return claims_from_rows(db, db.write(work, alone=True))


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
    values = {"polls": json.dumps(given), "soon_ms": SOON_MS}
    statement = _POSTPONE[db.dialect]
    return db.write(lambda session: session.run(statement, **values), alone=True)
