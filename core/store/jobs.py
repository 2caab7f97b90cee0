"""Reading jobs: one and pages."""

import functools
from collections.abc import Mapping, Sequence

from core.errors import NotFound
from core.jobs import Job, State
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.rows import JOB_COLUMNS, jobs_from_rows

_GET = Statement(f"SELECT {JOB_COLUMNS} FROM job WHERE job_id = :job_id AND user_id = :user_id")
_GET_MANY = Statement(
    f"SELECT {JOB_COLUMNS} FROM job WHERE user_id = :user_id AND job_id = ANY(:job_ids)"
    " ORDER BY create_time, job_id"
)
_REVISION = Statement("SELECT revision FROM user_stream WHERE user_id = :user_id")


def get(db: Database, user_id: str, job_id: str) -> Job:
    """The user's job.

    Raises:
        NotFound: when the user has no such job.
    """

    def work(session: Session) -> Job:
        jobs = jobs_from_rows(session, session.rows(_GET, user_id=user_id, job_id=job_id))
        if not jobs:
            raise NotFound("job")
        return jobs[0]

    return db.read(work)


def get_many(session: Session, user_id: str, job_ids: Sequence[str]) -> list[Job]:
    """Those of the jobs that the user has, oldest first."""
    return jobs_from_rows(session, session.rows(_GET_MANY, user_id=user_id, job_ids=job_ids))


def list_page(
    db: Database,
    user_id: str,
    *,
    states: Sequence[State] = (),
    labels: Mapping[str, str] | None = None,
    after: tuple[int, str] | None = None,
    limit: int,
) -> tuple[list[Job], int]:
    """Jobs, newest first, after the position (create_time, job_id), and the user's revision.

    Both come from one moment, so a watch from that revision misses nothing.
    """
    wanted = [f"{key}={value}" for key, value in (labels or {}).items()]
    statement = _list(bool(states), len(wanted), after is not None)
    values: dict[str, object] = {
        "user_id": user_id,
        "limit": limit,
        "states": list(states),
    }
    values |= {f"label_{i}": label for i, label in enumerate(wanted)}
    if after is not None:
        values |= {"after_time": after[0], "after_id": after[1]}

    def work(session: Session) -> tuple[list[Job], int]:
        jobs = jobs_from_rows(session, session.rows(statement, **values))
        return jobs, revision(session, user_id)

    return db.read(work)


def revision(session: Session, user_id: str) -> int:
    """The user's revision; 0 before the first event."""
    row = session.row(_REVISION, user_id=user_id)
    return int(row[0]) if row else 0


@functools.cache
def _list(by_state: bool, label_count: int, after: bool) -> Statement:
    where = ["job.user_id = :user_id"]
    if by_state:
        where.append("job.state = ANY(:states)")
    if after:
        where.append("(job.create_time, job.job_id) < (:after_time, :after_id)")
    tables = "job"
    for i in range(label_count):
        label = f"l{i}"
        tables += f" JOIN job_label {label} ON {label}.user_id = job.user_id"
        tables += f" AND {label}.label = :label_{i} AND {label}.job_id = job.job_id"
        # Said of the label too, so that its index gives the order.
        tables += f" AND {label}.create_time = job.create_time"
    return Statement(
        f"SELECT {JOB_COLUMNS} FROM {tables} WHERE {' AND '.join(where)}"
        " ORDER BY job.create_time DESC, job.job_id DESC LIMIT :limit"
    )
