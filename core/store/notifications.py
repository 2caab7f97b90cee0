"""Notifications: one row for each job that moves on, and the user's counters of them.

The user's row counts unread ones and all of them, and keeps the settings, because every change of a
user holds that row's lock. Invariant: `unread` and `notification_count` are what the rows say; the
transactions that write rows keep it, under the user's lock.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from core.ids import new_id
from core.jobs import EventType, Job, State
from core.notifications import (
    JOB_KINDS,
    Action,
    ChangeType,
    Kind,
    Notification,
    NotificationChange,
    NotificationSettings,
    Severity,
    digest_of,
    of_batch,
    of_job,
    settings_from_json,
)
from core.store.engine.database import Row, Session
from core.store.engine.sql import Statement, name_part
from core.webhooks import Hook, hooks_from_json

NAMES = (
    *("notification_id", "kind", "severity", "title", "text", "action", "job_id", "batch_id"),
    *("sender", "counts", "create_time", "read_time", "revision"),
)
name_part("notification_columns", ", ".join(f"notification.{name}" for name in NAMES))
# What a lock of a user reads of its row, as the columns of the alias `u`.
name_part(
    "inbox",
    "u.unread, u.notification_count, u.notification_settings, u.watched_time, u.webhooks",
)
_PUT = Statement("""
    INSERT INTO notification (
        notification_id, user_id, kind, severity, title, text, action, job_id, batch_id, sender,
        counts, create_time, revision
    ) VALUES (
        :notification_id, :user_id, :kind, :severity, :title, :text, :action, :job_id, :batch_id,
        :sender, :counts, :create_time, :revision
    )
""")
# What takes the place of one. Index: the primary key.
_REPLACE = Statement("""
    UPDATE notification SET kind = :kind, severity = :severity, title = :title, text = :text,
        action = :action, counts = :counts, create_time = :create_time, revision = :revision,
        read_time = NULL
    WHERE notification_id = :notification_id
""")
# Index of these: the primary key.
_COUNT = Statement("""
    UPDATE user_stream
    SET unread = unread + :unread, notification_count = notification_count + :count
    WHERE user_id = :user_id
""")
_DELETE = Statement("DELETE FROM notification WHERE notification_id = :notification_id")
# The digest that is not read yet. Index: `notification_unread`.
_DIGEST = Statement("""
    SELECT notification_id, counts FROM notification
    WHERE user_id = :user_id AND read_time IS NULL AND kind = 'DIGEST'
    ORDER BY revision DESC, notification_id DESC LIMIT 1
""")
# How many jobs of a batch are in each state. Index: `job_batch`.
_OF_BATCH = Statement("""
    SELECT state, count(*) FROM job {by_job_batch}
    WHERE batch_id = :batch_id AND batch_id <> '' GROUP BY state
""")
# Unread ones, the newest first. Index: `notification_unread`.
_UNREAD = Statement("""
    SELECT {notification_columns} FROM notification
    WHERE user_id = :user_id AND read_time IS NULL
    ORDER BY revision DESC, notification_id DESC LIMIT :limit
""")
# Index: the primary key.
_UNREAD_COUNT = Statement("SELECT unread FROM user_stream WHERE user_id = :user_id")
# A user who has more than are kept, which are 1000 at least, and one who has some that are too old.
# Indexes: `user_stream_many`, `notification_time`.
_WITH_TOO_MANY = Statement("""
    SELECT user_id FROM user_stream WHERE notification_count > 1000 AND notification_count > :most
    LIMIT 1
""")
_WITH_TOO_OLD = Statement("""
    SELECT user_id FROM notification WHERE create_time < {moment} - :keep_ms
    ORDER BY create_time LIMIT 1
""")
# Index: the primary key.
_LOCK_COUNT = Statement("""
    SELECT notification_count FROM user_stream WHERE user_id = :user_id {for_update}
""")
# The oldest ones that are too many or too old. Index: `notification_user`.
_OLDEST = Statement("""
    SELECT notification_id FROM (
        SELECT notification_id, create_time,
            row_number() OVER (ORDER BY revision, notification_id) AS number
        FROM notification WHERE user_id = :user_id
        ORDER BY revision, notification_id LIMIT :part
    ) oldest
    WHERE number <= :excess OR create_time < {moment} - :keep_ms
""")
# Index: the primary key.
_FORGET = Statement("""
    DELETE FROM notification WHERE notification_id = ANY(:notification_ids) RETURNING read_time
""")
# A snapshot has at most so many.
SNAPSHOT_UNREAD = 100


@dataclass(frozen=True, slots=True)
class Inbox:
    """What a user's row says of its notifications and webhooks, read under the user's lock.

    `watched_time` is when a watch with notifications was open last, in milliseconds of the
    database, and None where that was never kept. `hooks` are the webhooks that are on.
    """

    unread: int
    count: int
    settings: NotificationSettings
    watched_time: int | None
    hooks: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """The notification that a job has already."""

    notification_id: str
    is_unread: bool


def inbox_of(
    unread: int, count: int, settings: str, watched_time: int | None, webhooks: str
) -> Inbox:
    """The inbox by the columns of `{inbox}`."""
    hooks = hooks_from_json(webhooks)
    return Inbox(unread, count, settings_from_json(settings), watched_time, hooks)


def follow(
    session: Session,
    inbox: Inbox,
    told: Told | None,
    type: EventType,
    before: State,
    job: Job,
    now_ms: int,
) -> tuple[NotificationChange, ...]:
    """Writes what a move of a job does to its user's notifications, and gives the changes.

    `told` is the notification that the job has already. The user is locked, and the job's row is
    written as it is after the move. Jobs of a batch make one together, at the end of the last.
    """
    if job.batch_id:
        return _follow_batch(session, inbox, before, job, now_ms)
    kind = JOB_KINDS.get(type)
    if kind is None or not inbox.settings.makes(kind):
        return ()
    if kind is Kind.JOB_STARTED and before is not State.QUEUED:
        return ()  # only the first run is told
    writer = Writer(session, job.user_id, inbox, job.revision)
    if _is_away(inbox, now_ms):
        if told is not None:
            writer.delete(told)  # the digest says it now
        writer.gather(kind, now_ms)
    else:
        notification_id = told.notification_id if told else new_id()
        writer.put(of_job(kind, job, notification_id, now_ms), told)
    return writer.done()


def _follow_batch(
    session: Session, inbox: Inbox, before: State, job: Job, now_ms: int
) -> tuple[NotificationChange, ...]:
    """Every end holds the user's lock, so exactly one of them finds that all have ended."""
    if before.terminal or not job.state.terminal or not inbox.settings.makes(Kind.BATCH_ENDED):
        return ()
    ends = {State(row[0]): int(row[1]) for row in session.rows(_OF_BATCH, batch_id=job.batch_id)}
    if not all(state.terminal for state in ends):
        return ()
    writer = Writer(session, job.user_id, inbox, job.revision)
    if _is_away(inbox, now_ms):
        writer.gather(Kind.BATCH_ENDED, now_ms)
    else:
        writer.put(of_batch(ends, job.batch_id, new_id(), now_ms))
    return writer.done()


def _is_away(inbox: Inbox, now_ms: int) -> bool:
    """Whether the user has watched nothing for so long that it wants a digest."""
    after = inbox.settings.digest_after_ms
    return bool(after) and inbox.watched_time is not None and now_ms > inbox.watched_time + after


class Writer:
    """Writes several notifications of a user whom the transaction has locked, and counts them."""

    def __init__(self, session: Session, user_id: str, inbox: Inbox, revision: int) -> None:
        self._session = session
        self.revision = revision
        self._user_id = user_id
        self._inbox = inbox
        self._unread, self._count = inbox.unread, inbox.count
        self._changes: list[NotificationChange] = []

    def put(self, notification: Notification, before: Told | None = None) -> None:
        """Writes a notification that is unread, in the place of another one if there is one."""
        values = _columns(notification) | {"revision": self.revision}
        if before is None:
            self._session.later(_PUT, user_id=self._user_id, **values)
        else:
            self._session.later(_REPLACE, **values)
        self._unread += not (before and before.is_unread)
        self._count += before is None
        type = ChangeType.CREATED if before is None else ChangeType.UPDATED
        self._note(type, notification=notification)

    def gather(self, kind: Kind, now_ms: int) -> None:
        """Counts one of the kind into the digest that is not read yet, or into a new one."""
        row = self._session.row(_DIGEST, user_id=self._user_id)
        counts: dict[str, int] = json.loads(row[1]) if row else {}
        counts[kind] = counts.get(kind, 0) + 1
        before = Told(row[0], is_unread=True) if row else None
        self.put(digest_of(counts, row[0] if row else new_id(), now_ms), before)

    def delete(self, told: Told) -> None:
        """Removes a notification."""
        self._session.later(_DELETE, notification_id=told.notification_id)
        self._unread -= told.is_unread
        self._count -= 1
        self._note(ChangeType.DELETED, notification_ids=(told.notification_id,))

    def wrote(self, type: ChangeType, *, unread: int = 0, count: int = 0, **what: Any) -> None:
        """Takes notice of what the caller has written, with so many more unread ones and in all."""
        self._unread += unread
        self._count += count
        self._note(type, **what)

    def done(self) -> tuple[NotificationChange, ...]:
        """Writes the counters, if they have changed; the changes in their order.

        The writer may go on, at another revision.
        """
        unread, count = self._unread - self._inbox.unread, self._count - self._inbox.count
        if unread or count:
            self._session.later(_COUNT, user_id=self._user_id, unread=unread, count=count)
        self._inbox = replace(self._inbox, unread=self._unread, count=self._count)
        changes, self._changes = tuple(self._changes), []
        return changes

    def _note(self, type: ChangeType, **what: Any) -> None:
        self._changes.append(NotificationChange(type=type, unread_count=self._unread, **what))


def unread(session: Session, user_id: str) -> tuple[list[Notification], int]:
    """The newest unread ones of a snapshot, oldest first, and how many there are in all."""
    count = session.row(_UNREAD_COUNT, user_id=user_id)
    if count is None or not count[0]:
        return [], 0
    rows = session.rows(_UNREAD, user_id=user_id, limit=SNAPSHOT_UNREAD)
    return [notification_from_row(row) for row in reversed(rows)], int(count[0])


def forget(session: Session, most: int, keep_ms: int, part: int) -> int:
    """Removes up to `part` of one user's oldest ones, beyond the `most` and the age that are kept.

    Gives `part` as long as there may be more, and else 0. No event says that they are gone.
    """
    row = session.row(_WITH_TOO_MANY, most=most) or session.row(_WITH_TOO_OLD, keep_ms=keep_ms)
    if row is None:
        return 0
    counted = session.row(_LOCK_COUNT, user_id=row[0])
    excess = min(max(int(counted[0]) - most, 0) if counted else 0, part)
    values = {"user_id": row[0], "excess": excess, "keep_ms": keep_ms, "part": part}
    oldest = [one[0] for one in session.rows(_OLDEST, **values)]
    gone = session.rows(_FORGET, notification_ids=oldest)
    unread = sum(one[0] is None for one in gone)
    session.later(_COUNT, user_id=row[0], unread=-unread, count=-len(gone))
    return part if gone else 0


def notification_from_row(row: Row) -> Notification:
    """The notification of a row with the columns of `{notification_columns}`."""
    values: dict[str, Any] = dict(zip(NAMES, row, strict=True))
    action = values["action"]
    values |= {"kind": Kind(values["kind"]), "severity": Severity(values["severity"])}
    values["action"] = Action(**json.loads(action)) if action else None
    values["counts"] = json.loads(values["counts"]) if values["counts"] else {}
    return Notification(**values)


def _columns(notification: Notification) -> dict[str, Any]:
    values = {name: getattr(notification, name) for name in NAMES if name != "read_time"}
    action = notification.action
    values["action"] = json.dumps(action.to_json()) if action else ""
    values["counts"] = json.dumps(dict(notification.counts)) if notification.counts else ""
    return values
