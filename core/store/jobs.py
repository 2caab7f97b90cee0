"""Reading jobs: one and pages."""

import functools
from collections.abc import Mapping, Sequence

from core.errors import NotFound
from core.jobs import UNFINISHED, Job, State
from core.store.engine.database import Database, Session, known_epoch
from core.store.engine.sql import Statement
from core.store.rows import jobs_from_joined
from core.tokens import ResumePoint

# Jobs come with their outputs, so that one statement reads both as of one moment.
# Index of these: the primary key.
_GET = Statement("""
    SELECT {job_columns}, {media_columns} FROM job {outputs}
    WHERE job.job_id = :job_id AND job.user_id = :user_id ORDER BY media.output_index
""")
# `|| ''` keeps SQLite from reading all jobs of the user by the index `job_user`.
_GET_MANY = Statement("""
    SELECT {job_columns}, {media_columns} FROM job {outputs}
    WHERE job.user_id || '' = :user_id AND job.job_id = ANY(:job_ids)
    ORDER BY job.create_time, job.job_id, media.output_index
""")
_ENDED = Statement("""
    SELECT job_id FROM job WHERE job_id = ANY(:job_ids) AND end_time IS NOT NULL
""")
# The user's revision; 0 before the first change. Index: the primary key.
STANDS = "coalesce((SELECT revision FROM user_stream WHERE user_id = :user_id), 0)"
_REVISION = Statement(f"SELECT {STANDS}")
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
    jobs = jobs_from_joined(db.rows(_GET, user_id=user_id, job_id=job_id))
    if not jobs:
        raise NotFound("job")
    return jobs[0]


def get_many(session: Session, user_id: str, job_ids: Sequence[str]) -> list[Job]:
    """Those of the jobs that the user has, oldest first."""
    return jobs_from_joined(session.rows(_GET_MANY, user_id=user_id, job_ids=job_ids))


def ended(db: Database, job_ids: Sequence[str]) -> list[str]:
    """Those of the jobs, whichever user has them, that have ended."""
    return [row[0] for row in db.rows(_ENDED, job_ids=list(job_ids))]


def list_page(
    db: Database,
    user_id: str,
    *,
    states: Sequence[State] = (),
    labels: Mapping[str, str] | None = None,
    batch_id: str = "",
    after: tuple[int, str] | None = None,
    limit: int,
) -> tuple[list[Job], ResumePoint]:
    """Jobs, newest first, after the position (create_time, job_id), and where the user stands.

    With `batch_id` only those of that batch.

    Both come from one moment, so a watch from that point misses nothing.
    """
    wanted = [f"{key}={value}" for key, value in (labels or {}).items()]
    values: dict[str, object] = {"user_id": user_id, "limit": limit, "batch_id": batch_id}
    values |= {f"state_{i}": state for i, state in enumerate(sorted(set(states)))}
    if after is not None:
        values |= {"after_time": after[0], "after_id": after[1]}
    # What is read ahead only chooses the way, so it need not be of the same moment.
    narrowest = (wanted, False) if batch_id else _narrowest(db, frozenset(states), wanted, values)
    ordered, by_states = narrowest
    shape = len(set(states)), len(wanted), after is not None
    statement = _list(*shape, by_states, of_batch=bool(batch_id))
    rows = db.rows(statement, **values, **{f"label_{i}": one for i, one in enumerate(ordered)})
    point = ResumePoint(known_epoch(rows[0]), int(rows[0][1]))
    return jobs_from_joined([row[2:] for row in rows if row[2] is not None]), point


def revision(session: Session, user_id: str) -> int:
    """The user's revision; 0 before the first event."""
    row = session.row(_REVISION, user_id=user_id)
    assert row is not None
    return int(row[0])


def _narrowest(
    db: Database, states: frozenset[State], labels: list[str], values: dict[str, object]
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
    times = [int(time or 0) for time in db.rows(statement, **given)[0]]
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
def _list(
    state_count: int, label_count: int, after: bool, by_states: bool, of_batch: bool = False
) -> Statement:
    """The statement of `list_page` for filters of this shape; it has no filter that is not asked
    for. It goes along one index that has the wanted order.
    """
    if of_batch:
        page = _list_of_batch(state_count, label_count, after)
    elif by_states:
        page = _list_by_states(state_count, label_count, after)
    elif label_count:
        page = _list_by_labels(state_count, label_count, after)
    else:
        page = _list_all(after)
    # It has a row without a job where there is none. Indexes of what is added: the primary keys,
    # and `media_output`, which has the second condition.
    return Statement(f"""
        SELECT point.epoch, point.revision, {{page_columns}}, {{media_columns}}
        FROM (SELECT {{epoch}} AS epoch, {STANDS} AS revision) point
            LEFT JOIN ({page}) page ON TRUE
            LEFT JOIN media ON media.job_id = page.job_id AND media.job_id <> ''
        ORDER BY page.create_time DESC, page.job_id DESC, media.output_index
    """)


def _list_all(after: bool) -> str:
    """Index: `job_user`."""
    return f"""
        SELECT {{job_columns}} FROM job {{by_job_user}}
        WHERE job.user_id = :user_id {_after("job", after)}
        ORDER BY job.create_time DESC, job.job_id DESC LIMIT :limit
    """


def _list_of_batch(state_count: int, label_count: int, after: bool) -> str:
    """Looks at each job of the batch, which are few. Index: `job_batch`. `|| ''` keeps PostgreSQL
    from reading all jobs of the user, which the index `job_user` has in the same order."""
    states = ", ".join(f":state_{i}" for i in range(state_count))
    return f"""
        SELECT {{job_columns}} FROM job {{by_job_batch}}
        WHERE job.batch_id = :batch_id AND job.batch_id <> '' AND job.user_id || '' = :user_id
            {f"AND job.state || '' IN ({states})" if states else ""}
            {_labels(label_count)} {_after("job", after)}
        ORDER BY job.create_time DESC, job.job_id DESC LIMIT :limit
    """


def _list_by_states(count: int, label_count: int, after: bool) -> str:
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
    return f"{merged} ORDER BY create_time DESC, job_id DESC LIMIT :limit"


def _list_by_labels(state_count: int, label_count: int, after: bool) -> str:
    """Goes along the first label and looks at each of its jobs. Indexes: primary keys."""
    states = ", ".join(f":state_{i}" for i in range(state_count))
    where = ["l.user_id = :user_id", "l.label = :label_0"]
    where += [_HAS_LABEL.replace("@", "l").replace("#", str(i)) for i in range(1, label_count)]
    where += [f"{_STATE} IN ({states})"] if states else []
    return f"""
        SELECT {{job_columns}}
        FROM (
            SELECT l.create_time, l.job_id FROM job_label l
            WHERE {" AND ".join(where)} {_after("l", after)}
            ORDER BY l.create_time DESC, l.job_id DESC LIMIT :limit
        ) labelled CROSS JOIN job
        WHERE job.job_id = labelled.job_id
    """


def _labels(count: int) -> str:
    return "".join(
        f"AND {_HAS_LABEL}".replace("@", "job").replace("#", str(i)) for i in range(count)
    )


def _after(table: str, after: bool) -> str:
    return _AFTER.replace("@", table) if after else ""
