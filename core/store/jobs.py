"""Reading jobs: one and pages."""

import functools
from collections.abc import Mapping, Sequence

from core.errors import NotFound
from core.jobs import UNFINISHED, Job, State
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.rows import jobs_from_rows

# Index of these: the primary key.
_GET = Statement("SELECT {job_columns} FROM job WHERE job_id = :job_id AND user_id = :user_id")
# `|| ''` keeps SQLite from reading all jobs of the user by the index `job_user`.
_GET_MANY = Statement("""
    SELECT {job_columns} FROM job WHERE user_id || '' = :user_id AND job_id = ANY(:job_ids)
    ORDER BY create_time, job_id
""")
_ENDED = Statement("""
    SELECT job_id FROM job WHERE job_id = ANY(:job_ids) AND end_time IS NOT NULL
""")
_REVISION = Statement("SELECT revision FROM user_stream WHERE user_id = :user_id")
_AFTER = " AND (@.create_time, @.job_id) < (:after_time, :after_id)"
# The row of the table @ has label number #. Index: the primary key. This is no EXISTS, which
# PostgreSQL would turn into a join that begins at the other side.
_HAS_LABEL = """
    (
        SELECT 1 FROM job_label l#
        WHERE l#.user_id = @.user_id AND l#.label = :label_#
            AND l#.create_time = @.create_time AND l#.job_id = @.job_id
    ) = 1
"""
# The state of the job of a label. Index: the primary key.
_STATE = "(SELECT job.state FROM job WHERE job.job_id = l.job_id)"
# So far a list looks ahead, to see which of its filters has the fewest jobs.
_AHEAD = 200


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


def ended(db: Database, job_ids: Sequence[str]) -> list[str]:
    """Those of the jobs, whichever user has them, that have ended."""
    return [row[0] for row in db.rows(_ENDED, job_ids=list(job_ids))]


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
    values: dict[str, object] = {"user_id": user_id, "limit": limit}
    values |= {f"state_{i}": state for i, state in enumerate(sorted(set(states)))}
    if after is not None:
        values |= {"after_time": after[0], "after_id": after[1]}

    def work(session: Session) -> tuple[list[Job], int]:
        ordered, by_states = _narrowest(session, frozenset(states), wanted, values)
        statement = _list(len(set(states)), len(wanted), after is not None, by_states)
        given = values | {f"label_{i}": label for i, label in enumerate(ordered)}
        jobs = jobs_from_rows(session, session.rows(statement, **given))
        return jobs, revision(session, user_id)

    return db.read(work)


def revision(session: Session, user_id: str) -> int:
    """The user's revision; 0 before the first event."""
    row = session.row(_REVISION, user_id=user_id)
    return int(row[0]) if row else 0


def _narrowest(
    session: Session, states: frozenset[State], labels: list[str], values: dict[str, object]
) -> tuple[list[str], bool]:
    """The labels, the one with the fewest jobs first, and whether the states have fewer still.

    A list goes along one of its filters and looks at each job that it meets. So it must go along
    the one with the fewest jobs, or it would pass over thousands where two filters rarely meet.
    """
    # Few jobs of a user have not ended.
    few = bool(states) and states <= UNFINISHED
    if not labels or few or len(labels) + len(states) == 1:
        return labels, bool(states)
    given = values | {f"label_{i}": label for i, label in enumerate(labels)} | {"ahead": _AHEAD}
    statement = _ahead(len(states), len(labels), "after_time" in values)
    times = [int(time or 0) for time in session.rows(statement, **given)[0]]
    of_labels, of_states = times[: len(labels)], times[len(labels) :]
    ordered = sorted(range(len(labels)), key=of_labels.__getitem__)
    by_states = bool(states) and max(of_states) < min(of_labels)
    return [labels[i] for i in ordered], by_states


@functools.cache
def _ahead(state_count: int, label_count: int, after: bool) -> Statement:
    """The time of the job of each filter that lies so many jobs ahead; none where there are fewer.

    The older it is, the fewer jobs the filter has. Indexes: the primary key of the labels, and
    `job_user_state`.
    """
    of_labels = [
        f"""(
            SELECT l.create_time FROM job_label l
            WHERE l.user_id = :user_id AND l.label = :label_{i} {_after("l", after)}
            ORDER BY l.create_time DESC, l.job_id DESC LIMIT 1 OFFSET :ahead
        )"""
        for i in range(label_count)
    ]
    of_states = [
        f"""(
            SELECT job.create_time FROM job {{by_job_user_state}}
            WHERE job.user_id = :user_id AND job.state = :state_{i} {_after("job", after)}
            ORDER BY job.create_time DESC, job.job_id DESC LIMIT 1 OFFSET :ahead
        )"""
        for i in range(state_count)
    ]
    return Statement(f"SELECT {', '.join(of_labels + of_states)}")


@functools.cache
def _list(state_count: int, label_count: int, after: bool, by_states: bool) -> Statement:
    """The statement of `list_page` for filters of this shape; it has no filter that is not asked
    for. It goes along one index that has the wanted order.
    """
    if by_states:
        return _list_by_states(state_count, label_count, after)
    return _list_by_labels(state_count, label_count, after) if label_count else _list_all(after)


def _list_all(after: bool) -> Statement:
    """Index: `job_user`."""
    return Statement(f"""
        SELECT {{job_columns}} FROM job {{by_job_user}}
        WHERE job.user_id = :user_id {_after("job", after)}
        ORDER BY job.create_time DESC, job.job_id DESC LIMIT :limit
    """)


def _list_by_states(count: int, label_count: int, after: bool) -> Statement:
    """Lists each state by itself, and merges the lists. Index: `job_user_state`."""
    lists = [
        f"""
        SELECT * FROM (
            SELECT {{job_columns}} FROM job {{by_job_user_state}}
            WHERE job.user_id = :user_id AND job.state = :state_{i}
                {_labels(label_count)} {_after("job", after)}
            ORDER BY job.create_time DESC, job.job_id DESC LIMIT :limit
        ) list_{i}
        """
        for i in range(count)
    ]
    merged = " UNION ALL ".join(lists)
    return Statement(f"{merged} ORDER BY create_time DESC, job_id DESC LIMIT :limit")


def _list_by_labels(state_count: int, label_count: int, after: bool) -> Statement:
    """Goes along the first label and looks at each of its jobs. Indexes: primary keys."""
    states = ", ".join(f":state_{i}" for i in range(state_count))
    where = ["l.user_id = :user_id", "l.label = :label_0"]
    where += [_HAS_LABEL.replace("@", "l").replace("#", str(i)) for i in range(1, label_count)]
    where += [f"{_STATE} IN ({states})"] if states else []
    return Statement(f"""
        SELECT {{job_columns}}
        FROM (
            SELECT l.create_time, l.job_id FROM job_label l
            WHERE {" AND ".join(where)} {_after("l", after)}
            ORDER BY l.create_time DESC, l.job_id DESC LIMIT :limit
        ) page CROSS JOIN job
        WHERE job.job_id = page.job_id
        ORDER BY page.create_time DESC, page.job_id DESC
    """)


def _labels(count: int) -> str:
    return "".join(
        f"AND {_HAS_LABEL}".replace("@", "job").replace("#", str(i)) for i in range(count)
    )


def _after(table: str, after: bool) -> str:
    return _AFTER.replace("@", table) if after else ""
