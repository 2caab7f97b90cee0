"""Reading jobs: one and pages."""

import functools
from collections.abc import Mapping, Sequence

from core.errors import NotFound
from core.jobs import Job, State
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.rows import jobs_from_rows

# Index of all three: the primary key.
_GET = Statement("SELECT {job_columns} FROM job WHERE job_id = :job_id AND user_id = :user_id")
# `|| ''` keeps SQLite from reading all jobs of the user by the index `job_user`.
_GET_MANY = Statement("""
    SELECT {job_columns} FROM job WHERE user_id || '' = :user_id AND job_id = ANY(:job_ids)
    ORDER BY create_time, job_id
""")
_REVISION = Statement("SELECT revision FROM user_stream WHERE user_id = :user_id")
# For label number #. The time is said of the label too, so that its index gives the order.
_JOIN_LABEL = """
    JOIN job_label l# ON l#.user_id = job.user_id AND l#.label = :label_#
        AND l#.job_id = job.job_id AND l#.create_time = job.create_time
"""


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
    states = list(dict.fromkeys(states))
    statement = _list(len(states), len(wanted), after is not None)
    values: dict[str, object] = {"user_id": user_id, "limit": limit}
    values |= {f"state_{i}": state for i, state in enumerate(states)}
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
def _list(state_count: int, label_count: int, after: bool) -> Statement:
    """The statement of `list_page` for filters of this shape.

    It is joined here, because it must not have a filter that was not asked for, and each label
    needs a join of its own. Index: `job_user`, with labels the primary key of `job_label`, else
    with states `job_user_state`, which gives the jobs of one state in the wanted order: so each
    state is listed by itself, and the lists are merged.
    """
    where = ["job.user_id = :user_id"]
    if after:
        where.append("(job.create_time, job.job_id) < (:after_time, :after_id)")
    states = [f"job.state = :state_{i}" for i in range(state_count)]
    if label_count and states:
        where.append(f"({' OR '.join(states)})")
        states = []
    joins = "".join(_JOIN_LABEL.replace("#", str(i)) for i in range(label_count))
    lists = [
        f"""
        SELECT {{job_columns}} FROM job{joins}
        WHERE {" AND ".join([*where, *state])}
        ORDER BY job.create_time DESC, job.job_id DESC LIMIT :limit
        """
        for state in ([[state] for state in states] or [[]])
    ]
    if len(lists) == 1:
        return Statement(lists[0])
    merged = " UNION ALL ".join(f"SELECT * FROM ({text}) list_{i}" for i, text in enumerate(lists))
    return Statement(f"{merged} ORDER BY create_time DESC, job_id DESC LIMIT :limit")
