"""Reading what happened to a user: snapshots, and every change after a revision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import NotFound
from core.events import JOB_KIND, UserChange
from core.jobs import UNFINISHED, Job, State
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.jobs import get_many, revision
from core.store.rows import jobs_from_rows

# Changes above a revision, of every kind. Index: the primary key.
_AFTER = Statement("""
    SELECT user_id, revision, kind, event_time, payload, job_id FROM job_event
    WHERE user_id = :user_id AND revision > :revision
    ORDER BY revision LIMIT :limit
""")
# Events of one job above a revision. Index: `job_event_job`. `|| ''` keeps PostgreSQL from reading
# all changes of the user by the primary key, which has them in the same order.
_OF_JOB = Statement("""
    SELECT user_id, revision, kind, event_time, payload, job_id FROM job_event
    WHERE job_id = :job_id AND user_id || '' = :user_id AND kind = :kind AND revision > :revision
    ORDER BY revision LIMIT :limit
""")
# Index of these two: the primary key.
_HAS_JOB = Statement("SELECT 1 FROM job WHERE job_id = :job_id AND user_id = :user_id")
_REVISIONS = Statement("SELECT user_id, revision FROM user_stream WHERE user_id = ANY(:user_ids)")
_UNFINISHED = sorted(UNFINISHED)
# The user's jobs that have not ended. Index: `job_user_state`.
_LIVE = Statement("""
    SELECT job_id, state FROM job {by_job_user_state}
    WHERE user_id = :user_id AND state = ANY(:unfinished)
""")
# The user's jobs that have not ended. Index: `job_user_state`. `+ 0` keeps PostgreSQL from reading
# all jobs of the user by the index `job_user`, which has them in this order.
_SNAPSHOT = Statement("""
    SELECT {job_columns} FROM job {by_job_user_state}
    WHERE user_id = :user_id AND state = ANY(:unfinished)
    ORDER BY create_time + 0, job_id
""")
# The same with those that ended lately. Indexes: `job_user_state` and `job_user_ended`.
_RECENT_SNAPSHOT = Statement("""
    SELECT {job_columns} FROM job {by_job_user_state}
    WHERE user_id = :user_id AND state = ANY(:unfinished)
    UNION ALL
    SELECT {job_columns} FROM job {by_job_user_ended}
    WHERE user_id = :user_id AND end_time >= {moment} - :recent_ms
    ORDER BY create_time, job_id
""")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A user's jobs and revision at one moment; the user lacks the asked-for jobs `missing`."""

    revision: int
    jobs: list[Job]
    missing: tuple[str, ...] = ()


def snapshot(
    db: Database, user_id: str, *, job_ids: Sequence[str] = (), recent_ms: int = 0
) -> Snapshot:
    """The user's unfinished jobs and those ended within `recent_ms`, oldest first; or `job_ids`.

    One transaction reads both: statements of different moments would repeat or miss a change.
    """

    def work(session: Session) -> Snapshot:
        if job_ids:
            jobs = get_many(session, user_id, job_ids)
            missing = set(job_ids) - {job.job_id for job in jobs}
            return Snapshot(revision(session, user_id), jobs, tuple(sorted(missing)))
        statement = _RECENT_SNAPSHOT if recent_ms else _SNAPSHOT
        values = {"unfinished": _UNFINISHED, "recent_ms": recent_ms}
        rows = session.rows(statement, user_id=user_id, **values)
        return Snapshot(revision(session, user_id), jobs_from_rows(session, rows))

    return db.read(work)


def events_after(db: Database, user_id: str, after: int, limit: int) -> list[UserChange]:
    """The user's changes of every kind above the revision, in order and without a gap."""
    rows = db.rows(_AFTER, user_id=user_id, revision=after, limit=limit)
    return [change_from_row(row) for row in rows]


def job_events(db: Database, user_id: str, job_id: str, after: int, limit: int) -> list[UserChange]:
    """The events of one job above the revision, in order; no changes of another kind.

    Raises:
        NotFound: when the user has no such job.
    """
    values = {"user_id": user_id, "job_id": job_id}
    rows = db.rows(_OF_JOB, **values, kind=JOB_KIND, revision=after, limit=limit)
    if not rows and db.row(_HAS_JOB, **values) is None:
        raise NotFound("job")
    return [change_from_row(row) for row in rows]


def revisions(db: Database, user_ids: Sequence[str]) -> dict[str, int]:
    """The revision of each of the users that has one."""
    return {row[0]: int(row[1]) for row in db.rows(_REVISIONS, user_ids=list(user_ids))}


def live_jobs(db: Database, user_id: str) -> tuple[int, dict[str, State]]:
    """The user's revision, and the states of its jobs that have not ended at that revision."""

    def work(session: Session) -> tuple[int, dict[str, State]]:
        rows = session.rows(_LIVE, user_id=user_id, unfinished=_UNFINISHED)
        return revision(session, user_id), {row[0]: State(row[1]) for row in rows}

    return db.read(work)


def change_from_row(row: Sequence[Any]) -> UserChange:
    """The change of a row: user, revision, kind, time, payload, job."""
    user_id, revision, kind, time, payload, job_id = row
    return UserChange(
        user_id=user_id,
        revision=int(revision),
        kind=kind,
        time=int(time),
        payload=payload,
        job_id=job_id,
    )
