"""Reading what happened: snapshots and everything after a revision."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import NotFound
from core.events import StoredEvent
from core.jobs import UNFINISHED, Job, State
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.jobs import get_many, revision
from core.store.rows import JOB_COLUMNS, jobs_from_rows

_AFTER = Statement(
    "SELECT user_id, revision, job_id, payload FROM job_event"
    " WHERE user_id = :user_id AND revision > :revision ORDER BY revision LIMIT :limit"
)
_OF_JOB = Statement(
    "SELECT user_id, revision, job_id, payload FROM job_event"
    " WHERE job_id = :job_id AND user_id = :user_id AND revision > :revision"
    " ORDER BY revision LIMIT :limit"
)
_HAS_JOB = Statement("SELECT 1 FROM job WHERE job_id = :job_id AND user_id = :user_id")
_REVISIONS = Statement("SELECT user_id, revision FROM user_stream WHERE user_id = ANY(:user_ids)")
_UNFINISHED = sorted(UNFINISHED)
_LIVE = Statement(
    "SELECT job_id, state FROM job WHERE user_id = :user_id AND state = ANY(:unfinished)"
)
_OLDEST = Statement("SELECT min(revision) FROM job_event WHERE user_id = :user_id")
_SNAPSHOT = Statement(
    f"SELECT {JOB_COLUMNS} FROM job WHERE user_id = :user_id"
    " AND (state = ANY(:unfinished) OR end_time >= {now} - :recent_ms)"
    " ORDER BY create_time, job_id"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A user's jobs and revision, of one moment; `missing` are asked-for jobs it does not have."""

    revision: int
    jobs: list[Job]
    missing: tuple[str, ...] = ()


def snapshot(
    db: Database, user_id: str, *, job_ids: Sequence[str] = (), recent_ms: int = 0
) -> Snapshot:
    """The user's unfinished jobs and those ended within `recent_ms`, oldest first; or `job_ids`.

    One read transaction: two statements of different moments would repeat or miss a change.
    """

    def work(session: Session) -> Snapshot:
        if job_ids:
            jobs = get_many(session, user_id, job_ids)
            missing = set(job_ids) - {job.job_id for job in jobs}
            return Snapshot(revision(session, user_id), jobs, tuple(sorted(missing)))
        # Ended jobs are looked up only if asked for: -1 keeps those of this millisecond out.
        values = {"unfinished": _UNFINISHED}
        rows = session.rows(_SNAPSHOT, user_id=user_id, recent_ms=recent_ms or -1, **values)
        return Snapshot(revision(session, user_id), jobs_from_rows(session, rows))

    return db.read(work)


def events_after(db: Database, user_id: str, after: int, limit: int) -> list[StoredEvent]:
    """The user's events above the revision, in order."""
    rows = db.rows(_AFTER, user_id=user_id, revision=after, limit=limit)
    return [StoredEvent(*row) for row in rows]


def job_events(
    db: Database, user_id: str, job_id: str, after: int, limit: int
) -> list[StoredEvent]:
    """The events of one job above the revision, in order.

    Raises:
        NotFound: when the user has no such job.
    """
    values = {"user_id": user_id, "job_id": job_id}
    rows = db.rows(_OF_JOB, **values, revision=after, limit=limit)
    if not rows and db.row(_HAS_JOB, **values) is None:
        raise NotFound("job")
    return [StoredEvent(*row) for row in rows]


def revisions(db: Database, user_ids: Sequence[str]) -> dict[str, int]:
    """The revision of each of the users that has one."""
    return {row[0]: int(row[1]) for row in db.rows(_REVISIONS, user_ids=list(user_ids))}


def live_jobs(db: Database, user_id: str) -> tuple[int, dict[str, State]]:
    """The user's revision, and the states of its jobs that have not ended at that revision."""

    def work(session: Session) -> tuple[int, dict[str, State]]:
        rows = session.rows(_LIVE, user_id=user_id, unfinished=_UNFINISHED)
        return revision(session, user_id), {row[0]: State(row[1]) for row in rows}

    return db.read(work)


def continuable(db: Database, user_id: str, after: int) -> int | None:
    """The user's revision, if `after` was ever reached and every event above it is still kept."""

    def work(session: Session) -> int | None:
        head = revision(session, user_id)
        row = session.row(_OLDEST, user_id=user_id)
        oldest = int(row[0]) if row and row[0] is not None else head + 1
        return head if oldest - 1 <= after <= head else None

    return db.read(work)
