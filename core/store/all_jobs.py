"""The jobs of all users that have not ended, and which users changed lately, for administrators."""

import functools
from collections.abc import Collection, Mapping

from core.events import UserChange
from core.jobs import UNFINISHED, Job, State
from core.store import replay
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement, name_part_by_dialect
from core.store.replay import Return
from core.store.rows import jobs_from_rows

# SQLite follows this hint; otherwise it might sort all of these jobs.
name_part_by_dialect("by_job_live", sqlite="INDEXED BY job_live", postgres="")
# The same for changes: it might read all of them in the order of their users.
name_part_by_dialect("by_job_event_time", sqlite="INDEXED BY job_event_time", postgres="")
# Up to which revision each user changed since a time. Index: `job_event_time`.
_CHANGED = Statement("""
    SELECT user_id, max(revision) FROM job_event {by_job_event_time}
    WHERE event_time >= :since GROUP BY user_id
""")
# The last revision of each of the users before a time. Indexes: both primary keys.
_STOOD = Statement("""
    SELECT user_id, (
        SELECT e.revision FROM job_event e
        WHERE e.user_id = user_stream.user_id AND e.event_time + 0 < :time
        ORDER BY e.revision DESC LIMIT 1
    )
    FROM user_stream WHERE user_id = ANY(:user_ids)
""")
_END = (2**62, "~")


def newest(
    db: Database,
    *,
    states: Collection[State],
    user_ids: Collection[str] = (),
    models: Collection[str] = (),
    below: tuple[int, str] | None = None,
    limit: int,
) -> list[Job]:
    """Jobs in these of the states that are no end, newest first, below (create_time, job_id).

    An empty filter lets all jobs pass.
    """
    time, job_id = below or _END
    values = _values(states, user_ids, models) | {"time": time, "job_id": job_id, "most": limit}
    statement = _newest(bool(user_ids), bool(models))

    def work(session: Session) -> list[Job]:
        return jobs_from_rows(session, session.rows(statement, **values))

    return db.read(work)


def count(
    db: Database,
    *,
    states: Collection[State],
    user_ids: Collection[str] = (),
    models: Collection[str] = (),
) -> int:
    """How many jobs these are."""
    values = _values(states, user_ids, models)
    row = db.row(_count(bool(user_ids), bool(models)), **values)
    return int(row[0]) if row else 0


def changed_since(db: Database, since: int) -> tuple[int, dict[str, int]]:
    """The time, and the last revision of each user who changed at `since` or later."""

    def work(session: Session) -> tuple[int, dict[str, int]]:
        rows = session.rows(_CHANGED, since=since)
        return session.now_ms(), {row[0]: int(row[1]) for row in rows}

    return db.read(work)


def changes_above(
    db: Database, heads: Mapping[str, int | None], since: int, limit: int
) -> dict[str, tuple[int, list[UserChange]]]:
    """The next changes of users above their heads, at most `limit` of each, with the heads.

    A head that is None is where the user stood at `since`, as far as changes are kept.
    """

    def work(session: Session) -> dict[str, tuple[int, list[UserChange]]]:
        unknown = sorted(user_id for user_id, head in heads.items() if head is None)
        rows = session.rows(_STOOD, user_ids=unknown, time=since) if unknown else []
        stood = {user_id: int(revision or 0) for user_id, revision in rows}
        returns = [
            Return(user_id, stood.get(user_id, 0) if head is None else head)
            for user_id, head in heads.items()
        ]
        missed = replay.changes(session, returns, limit)
        return {
            one.user_id: (one.revision, found) for one, found in zip(returns, missed, strict=True)
        }

    return db.read(work)


def _values(
    states: Collection[State], user_ids: Collection[str], models: Collection[str]
) -> dict[str, object]:
    return {
        "states": sorted(UNFINISHED & set(states)),
        "user_ids": sorted(user_ids),
        "models": sorted(models),
    }


@functools.cache
def _newest(of_users: bool, of_models: bool) -> Statement:
    """Indexes: `job_live`, in its order up to the limit; or of some users `job_user_state`."""
    # `+ 0` keeps PostgreSQL from reading all jobs of the users in the wanted order.
    order, index = ("+ 0", "by_job_user_state") if of_users else ("", "by_job_live")
    return Statement(f"""
        SELECT {{job_columns}} FROM job {{{index}}}
        WHERE {_wanted(of_users, of_models)}
            AND (job.create_time, job.job_id) < (:time, :job_id)
        ORDER BY job.create_time {order} DESC, job.job_id DESC LIMIT :most
    """)


@functools.cache
def _count(of_users: bool, of_models: bool) -> Statement:
    """Indexes: `job_unfinished`; or of some users `job_user_state`."""
    index = "by_job_user_state" if of_users else "by_job_unfinished"
    return Statement(f"""
        SELECT count(*) FROM job {{{index}}} WHERE {_wanted(of_users, of_models)}
    """)


def _wanted(of_users: bool, of_models: bool) -> str:
    conditions = ["{unfinished}", "job.state = ANY(:states)"]
    if of_users:
        conditions = ["job.user_id = ANY(:user_ids)", "job.state = ANY(:states)"]
    if of_models:
        conditions.append("job.model = ANY(:models)")
    return " AND ".join(conditions)
