"""Claims of operations to be polled. A statement claims or gives back many at a time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.store.change import Run
from core.store.claims import SOON_MS, Claim, claims_from_rows
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement

# Takes the operations that have been due for longest. Index: `job_poll`. MATERIALIZED, because
# PostgreSQL might otherwise lock other rows than it changes.
_CLAIM_POLLS = Statement("""
    WITH due AS MATERIALIZED (
        SELECT job_id FROM job
        WHERE {to_poll} AND next_run_time <= {moment}
        ORDER BY next_run_time LIMIT :most {skip_locked}
    )
    UPDATE job SET {taken}
    WHERE job_id IN (SELECT job_id FROM due)
    RETURNING {job_columns}
""")
# When the next operation is due. Index: `job_poll`. Not min(), which would visit every operation.
_NEXT_POLL = Statement("""
    SELECT next_run_time - {now} FROM job WHERE {to_poll} ORDER BY next_run_time LIMIT 1
""")
# Gives many operations back, as `claims.hand_back` gives back one. The percent never falls.
# Index: the primary key.
_POSTPONE = Statement("""
    UPDATE job SET lease_expire_time = NULL, worker_id = NULL,
        next_run_time = {now} + CASE
            WHEN cancel_request_time IS NOT NULL AND p.delay_ms > :soon_ms THEN :soon_ms
            ELSE p.delay_ms END,
        tries = p.tries,
        percent = CASE WHEN p.percent > job.percent THEN p.percent ELSE job.percent END,
        percent_estimated = CASE
            WHEN p.percent >= job.percent THEN p.estimated
            ELSE job.percent_estimated END
    FROM ({given_polls}) p
    WHERE job.job_id = p.job_id AND job.fence = p.fence AND {held}
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """An operation that was polled and is not done; it is polled again after the delay."""

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
    """Takes up to `most` operations that are due to be polled.

    It leaves out the providers `but`, unless a cancel was asked for.
    """

    def work(session: Session) -> list[Row]:
        return session.rows(
            _CLAIM_POLLS,
            queues=list(queues),
            worker_id=worker_id,
            lease_ms=lease_ms,
            most=most,
            but=list(but),
        )

    return claims_from_rows(db, db.write(work, alone=True))


def next_poll_ms(db: Database, queues: Sequence[str], but: Sequence[str] = ()) -> int | None:
    """In how many milliseconds `claim_polls` will find something; None when there is nothing to
    poll that nobody polls now."""
    row = db.row(_NEXT_POLL, queues=list(queues), but=list(but))
    return None if row is None else int(row[0])


def postpone(db: Database, polls: Sequence[Postponed]) -> int:
    """Gives polled operations back in one statement; tells how many were still this worker's."""
    given = [
        (p.run.job_id, p.run.fence, p.delay_ms, p.tries, p.percent, p.estimated) for p in polls
    ]
    return db.write(
        lambda session: session.run(_POSTPONE, polls=json.dumps(given), soon_ms=SOON_MS),
        alone=True,
    )
