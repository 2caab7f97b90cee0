"""Removes what is too old, or too much: changes, ended jobs, request ids, spending, usage,
API keys, shares, exports, messages, cleared views, deliveries to webhooks."""

from collections.abc import Callable
from dataclasses import dataclass

from core.store import (
    announcements,
    budgets,
    deliveries,
    exports,
    keys,
    notifications,
    shares,
    usage_days,
    views,
)
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# What one transaction removes. It holds SQLite's only writer for some milliseconds.
_PART = 25
DAY_MS = 24 * 3600 * 1000
# The oldest changes, of all kinds. Index: `job_event_time`, then the primary key.
_CHANGES = Statement("""
    DELETE FROM job_event WHERE (user_id, revision) IN (
        SELECT user_id, revision FROM job_event
        WHERE event_time < {moment} - :keep_ms
        ORDER BY event_time LIMIT :part
    )
""")
# Locks the jobs that ended first, before their intents, as every change does. Two kinds of jobs
# stay: those whose cost an administrator has yet to settle, and those that a repeated request must
# find. Indexes: `job_ended` for the jobs, the primary key for the requests.
_OLD_JOBS = Statement("""
    SELECT job_id FROM job
    WHERE end_time < {moment} - :keep_ms AND cost_state <> 'UNCERTAIN'
        AND NOT EXISTS (
            SELECT 1 FROM request_key
            WHERE request_key.user_id = job.user_id
                AND request_key.request_id = job.request_id
                AND request_key.job_id = job.job_id
                AND request_key.expire_time > {now}
        )
        AND NOT EXISTS (
            SELECT 1 FROM request_key
            WHERE request_key.user_id = job.user_id
                AND request_key.request_id = 'batch:' || job.request_id
                AND request_key.job_id = job.batch_id
                AND request_key.expire_time > {now}
        )
    ORDER BY end_time LIMIT :part {for_update}
""")
# Index: the primary key.
_INTENTS = Statement("DELETE FROM intent WHERE job_id = ANY(:job_ids)")
# Index: `job_label_job`.
_LABELS = Statement("DELETE FROM job_label WHERE job_id = ANY(:job_ids)")
# Index: the primary key.
_JOBS = Statement("DELETE FROM job WHERE job_id = ANY(:job_ids)")
# Index: `request_key_expire`, then the primary key.
_REQUESTS = Statement("""
    DELETE FROM request_key WHERE (user_id, request_id) IN (
        SELECT user_id, request_id FROM request_key
        WHERE expire_time < {moment}
        ORDER BY expire_time LIMIT :part
    )
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much is kept beside jobs and changes: the settings of the same names."""

    max_notifications: int = 1000
    notification_days: int = 90
    usage_days: int = 400


USUALLY_KEPT = Kept()


def forget(
    db: Database, keep_ms: int, rest: Callable[[], None] = lambda: None, kept: Kept = USUALLY_KEPT
) -> None:
    """Removes ended jobs and changes older than `keep_ms`; a resume token below them gets a RESET.

    A job whose cost is uncertain stays until the cost is settled. A job with a request_id stays
    until the request_id is forgotten. Media items stay, because they are the user's library.
    It rests between its transactions.
    """
    # In turns, so that a round that ends early has removed something of each.
    parts: list[Callable[[Session], int]] = [
        lambda session: session.run(_CHANGES, keep_ms=keep_ms, part=_PART),
        lambda session: _forget_jobs(session, keep_ms),
        lambda session: budgets.forget(session, _PART),
        lambda session: usage_days.forget(session, kept.usage_days, _PART),
        lambda session: keys.forget(session, _PART),
        lambda session: shares.end(session, _PART),
        lambda session: shares.forget(session, _PART),
        lambda session: exports.forget(session, _PART),
        lambda session: session.run(_REQUESTS, part=_PART),
        lambda session: notifications.forget(
            session, kept.max_notifications, kept.notification_days * DAY_MS, _PART
        ),
        lambda session: announcements.forget(session, _PART),
        lambda session: views.forget(session, keep_ms, _PART),
        lambda session: deliveries.forget(session, keep_ms, _PART),
    ]
    while parts:
        for part in [*parts]:
            if db.write(part) < _PART:
                parts.remove(part)
            rest()


def _forget_jobs(session: Session, keep_ms: int) -> int:
    job_ids = [row[0] for row in session.rows(_OLD_JOBS, keep_ms=keep_ms, part=_PART)]
    session.run(_LABELS, job_ids=job_ids)
    session.run(_INTENTS, job_ids=job_ids)
    session.run(_JOBS, job_ids=job_ids)
    return len(job_ids)
