"""Reading what happened to a user: snapshots, and every change after a revision."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import NotFound
from core.events import JOB_KIND, UserChange
from core.jobs import UNFINISHED, Job, State
from core.notifications import Notification
from core.store import notifications
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.jobs import STANDS, get_many, revision
from core.store.rows import job_from_json
from core.store.views import showing
from core.views import View

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
# The user's jobs that have not ended, if there are any, after the revision. Index:
# `job_user_state`.
_LIVE = Statement(f"""
    SELECT point.revision, live.job_id, live.state FROM (SELECT {STANDS} AS revision) point
    LEFT JOIN (
        SELECT job_id, state FROM job {{by_job_user_state}}
        WHERE user_id = :user_id AND state = ANY(:unfinished)
    ) live ON TRUE
""")
# The ids of a snapshot's jobs, which can be large: it has only a page of them at once. Each comes
# with the revision, so that a snapshot need not ask for it.
# The user's jobs that have not ended. Index: `job_user_state`. `+ 0` keeps PostgreSQL from reading
# all jobs of the user by the index `job_user`, which has them in this order.
_UNFINISHED_IDS = Statement(f"""
    SELECT job_id, {STANDS} FROM job {{by_job_user_state}}
    WHERE user_id = :user_id AND state = ANY(:unfinished)
    ORDER BY create_time + 0, job_id
""")
# The same with those that ended lately. Indexes: `job_user_state` and `job_user_ended`.
_RECENT_IDS = Statement(f"""
    SELECT job_id, {STANDS}, create_time FROM job {{by_job_user_state}}
    WHERE user_id = :user_id AND state = ANY(:unfinished)
    UNION ALL
    SELECT job_id, {STANDS}, create_time FROM job {{by_job_user_ended}}
    WHERE user_id = :user_id AND end_time >= {{moment}} - :recent_ms
    ORDER BY create_time, job_id
""")
# Those of the jobs that the user has. `|| ''` keeps SQLite from reading all jobs of the user.
# Index: the primary key.
_NAMED_IDS = Statement(f"""
    SELECT job_id, {STANDS} FROM job WHERE user_id || '' = :user_id AND job_id = ANY(:job_ids)
    ORDER BY create_time, job_id
""")
# The user's jobs of a batch. Index: `job_batch`.
_BATCH_IDS = Statement(f"""
    SELECT job_id, {STANDS} FROM job {{by_job_batch}}
    WHERE batch_id = :batch_id AND batch_id <> '' AND user_id || '' = :user_id
    ORDER BY create_time, job_id
""")
# The last event of a job up to a revision. Index: `job_event_job`.
_LAST_EVENT = Statement("""
    SELECT payload FROM job_event
    WHERE job_id = :job_id AND user_id || '' = :user_id AND kind = :kind AND revision <= :revision
    ORDER BY revision DESC LIMIT 1
""")
# Jobs that a snapshot holds at once; one has at most some 100 KiB.
SNAPSHOT_JOBS = 50


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A user's jobs and revision at one moment; the user lacks the asked-for jobs `missing`.

    `jobs` are the first ones; `snapshot_page` reads those with the ids `later`. `unread` are the
    newest unread notifications, oldest first, of `unread_count`. `views` are those that show
    something.
    """

    revision: int
    jobs: list[Job]
    later: list[str]
    missing: tuple[str, ...] = ()
    unread: list[Notification] = field(default_factory=list)
    unread_count: int = 0
    views: list[View] = field(default_factory=list)


def snapshot(
    db: Database,
    user_id: str,
    *,
    job_ids: Sequence[str] = (),
    batch_id: str = "",
    recent_ms: int = 0,
    with_notifications: bool = False,
    with_views: bool = False,
) -> Snapshot:
    """The user's unfinished jobs and those ended within `recent_ms`, oldest first; or `job_ids`;
    or those of the batch.

    One transaction reads all of it: statements of different moments would repeat or miss a change.

    Raises:
        NotFound: when the user has no such batch.
    """
    statement = _NAMED_IDS if job_ids else _RECENT_IDS if recent_ms else _UNFINISHED_IDS
    values: dict[str, Any] = {"unfinished": _UNFINISHED, "recent_ms": recent_ms}
    values |= {"user_id": user_id, "job_ids": list(job_ids), "batch_id": batch_id}

    def work(session: Session) -> Snapshot:
        of_batch = session.rows(_BATCH_IDS, **values) if batch_id else []
        if batch_id and not of_batch:
            raise NotFound("batch", "batch_id")
        only_batch = batch_id and not job_ids
        rows = of_batch if only_batch else session.rows(statement, **values)
        ids = [row[0] for row in rows]
        first, later = ids[:SNAPSHOT_JOBS], ids[SNAPSHOT_JOBS:]
        missing = tuple(sorted(set(job_ids) - set(ids)))
        jobs = get_many(session, user_id, first) if first else []
        unread, count = notifications.unread(session, user_id) if with_notifications else ([], 0)
        views = showing(session, user_id) if with_views else []
        at = int(rows[0][1]) if rows else revision(session, user_id)
        return Snapshot(at, jobs, later, missing, unread, count, views)

    return db.read(work)


def snapshot_page(db: Database, user_id: str, job_ids: Sequence[str], at: int) -> list[Job]:
    """More jobs of a snapshot, oldest first, each as it was at the user's revision `at`."""

    def work(session: Session) -> list[Job]:
        jobs = get_many(session, user_id, job_ids)
        return [job if job.revision <= at else _earlier(session, job, at) for job in jobs]

    return db.read(work)


def _earlier(session: Session, job: Job, at: int) -> Job:
    """The job as its last event up to the revision tells it."""
    values = {"job_id": job.job_id, "user_id": job.user_id, "kind": JOB_KIND, "revision": at}
    row = session.row(_LAST_EVENT, **values)
    # The event is only forgotten already if the job ended long ago and its cost was settled now.
    return job_from_json(json.loads(row[0])["job"]) if row else job


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
    rows = db.rows(_LIVE, user_id=user_id, unfinished=_UNFINISHED)
    return int(rows[0][0]), {row[1]: State(row[2]) for row in rows if row[1] is not None}


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
