"""What callers do with notifications: list them, mark them as read, delete them, make messages.

A change takes one revision if it changes anything, and else none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.announcements import Announcement
from core.errors import RequestIdConflict
from core.events import NOTHING_BESIDE, Beside, UserChange
from core.notifications import (
    ChangeType,
    Kind,
    Notification,
    NotificationSettings,
    settings_from_json,
)
from core.store import announcements
from core.store.change import LockedUser, append_beside, lock_user
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.notifications import Writer, notification_from_row

# Below the last one of a page, the newest first. Index: `notification_user`.
_PAGE = Statement("""
    SELECT {notification_columns} FROM notification
    WHERE user_id = :user_id AND (revision, notification_id) < (:below, :notification_id)
    ORDER BY revision DESC, notification_id DESC LIMIT :limit
""")
# The same of some kinds: the user has at most some thousand. Index: `notification_user`.
_PAGE_OF_KINDS = Statement("""
    SELECT {notification_columns} FROM notification
    WHERE user_id = :user_id AND (revision, notification_id) < (:below, :notification_id)
        AND kind = ANY(:kinds)
    ORDER BY revision DESC, notification_id DESC LIMIT :limit
""")
# Unread ones. Index: `notification_unread`.
_PAGE_OF_UNREAD = Statement("""
    SELECT {notification_columns} FROM notification
    WHERE user_id = :user_id AND read_time IS NULL
        AND (revision, notification_id) < (:below, :notification_id)
    ORDER BY revision DESC, notification_id DESC LIMIT :limit
""")
# Unread ones of some kinds. Index: `notification_unread`.
_PAGE_OF_UNREAD_KINDS = Statement("""
    SELECT {notification_columns} FROM notification
    WHERE user_id = :user_id AND read_time IS NULL
        AND (revision, notification_id) < (:below, :notification_id) AND kind = ANY(:kinds)
    ORDER BY revision DESC, notification_id DESC LIMIT :limit
""")
# Index: the primary key.
_USER = Statement("""
    SELECT revision, unread, notification_settings FROM user_stream WHERE user_id = :user_id
""")
# Those of the named ones that are not read yet. `|| ''` keeps SQLite from reading all of the user.
# Index: the primary key.
_READ_NAMED = Statement("""
    UPDATE notification SET read_time = :now_ms
    WHERE notification_id = ANY(:notification_ids) AND user_id || '' = :user_id
        AND read_time IS NULL
    RETURNING notification_id
""")
# The user has at most some thousand. Index: `notification_unread`.
_READ_UNTIL = Statement("""
    UPDATE notification SET read_time = :now_ms
    WHERE user_id = :user_id AND read_time IS NULL AND create_time <= :until_time
""")
# Index: the primary key.
_DELETE_NAMED = Statement("""
    DELETE FROM notification
    WHERE notification_id = ANY(:notification_ids) AND user_id || '' = :user_id
    RETURNING notification_id, read_time
""")
# The user has at most some thousand. Index: `notification_user`.
_DELETE_UNTIL = Statement("""
    DELETE FROM notification WHERE user_id = :user_id AND create_time <= :until_time
    RETURNING notification_id, read_time
""")
# Index of these: the primary key.
_SET = Statement("""
    INSERT INTO user_stream (user_id, revision, last_turn, notification_settings, watched_time)
    VALUES (:user_id, 0, 0, :settings, {now})
    ON CONFLICT (user_id) DO UPDATE SET notification_settings = excluded.notification_settings,
        watched_time = excluded.watched_time
""")
_LOCK_SETTINGS = Statement("""
    SELECT notification_settings FROM user_stream WHERE user_id = :user_id {for_update}
""")
_WATCHED = Statement("""
    UPDATE user_stream SET watched_time = {now}
    WHERE user_id = ANY(:user_ids) AND watched_time IS NOT NULL
""")
# Keeps what a request_id makes, unless it is remembered that it made something before. Who asks at
# the same time waits for the row. Index of both: the primary key.
_REMEMBER = Statement("""
    INSERT INTO request_key (user_id, request_id, fingerprint, job_id, expire_time)
    VALUES (:sender, :request_id, :fingerprint, :made_id, {now} + :keep_ms)
    ON CONFLICT (user_id, request_id) DO UPDATE SET fingerprint = excluded.fingerprint,
        job_id = excluded.job_id, expire_time = excluded.expire_time
    WHERE request_key.expire_time <= {now}
    RETURNING job_id
""")
_REMEMBERED = Statement("""
    SELECT fingerprint, job_id FROM request_key
    WHERE user_id = :sender AND request_id = :request_id
""")
# Index: the primary key.
_GET = Statement("""
    SELECT {notification_columns} FROM notification WHERE notification_id = :notification_id
""")
_END = 2**62


@dataclass(frozen=True, slots=True)
class Page:
    """A page of notifications, the user's revision before they were read, and its unread ones."""

    notifications: list[Notification]
    revision: int
    unread_count: int


@dataclass(frozen=True, slots=True)
class Changed:
    """How many unread ones are left, and the change; None when nothing changed."""

    unread_count: int
    change: UserChange | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """By which request_id a message is asked for; an empty one is none.

    `fingerprint` tells its request from another one. Both are remembered for `keep_ms`.
    """

    request_id: str = ""
    fingerprint: str = ""
    keep_ms: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """The message that was made, or the first one of its request_id."""

    notification: Notification | None
    change: UserChange | None = None


def notifications(
    db: Database,
    user_id: str,
    *,
    limit: int,
    below: tuple[int, str] | None = None,
    kinds: Sequence[Kind] = (),
    only_unread: bool = False,
) -> Page:
    """The next ones below (`revision`, `notification_id`), the newest first."""
    revision_below, notification_id = below or (_END, "")
    statement = {
        (False, False): _PAGE,
        (True, False): _PAGE_OF_KINDS,
        (False, True): _PAGE_OF_UNREAD,
        (True, True): _PAGE_OF_UNREAD_KINDS,
    }[bool(kinds), only_unread]
    values = {"user_id": user_id, "below": revision_below, "notification_id": notification_id}

    def work(session: Session) -> Page:
        user = session.row(_USER, user_id=user_id)
        rows = session.rows(statement, **values, kinds=list(kinds), limit=limit)
        revision, unread = (int(user[0]), int(user[1])) if user else (0, 0)
        return Page([notification_from_row(row) for row in rows], revision, unread)

    return db.read(work)


def settings(db: Database, user_id: str) -> NotificationSettings:
    """What the user wants to be told."""
    row = db.row(_USER, user_id=user_id)
    return settings_from_json(row[2] if row else "")


def change_settings(
    db: Database, user_id: str, change: Callable[[NotificationSettings], NotificationSettings]
) -> NotificationSettings:
    """Changes what the user wants to be told, and gives it. It is no change that watchers see."""

    def work(session: Session) -> NotificationSettings:
        row = session.row(_LOCK_SETTINGS, user_id=user_id)
        wanted = change(settings_from_json(row[0] if row else ""))
        session.run(_SET, user_id=user_id, settings=wanted.to_json())
        return wanted

    return db.write(work)


def watched(db: Database, user_ids: Sequence[str]) -> None:
    """Notes that watches with notifications of these users are open, where a digest may be made."""
    db.write(lambda session: session.run(_WATCHED, user_ids=sorted(user_ids)))


def mark_read(
    db: Database,
    user_id: str,
    *,
    notification_ids: Sequence[str] = (),
    until_time: int | None = None,
    announcement_ids: Sequence[str] = (),
) -> Changed:
    """Marks as read: those ids, or all that were made up to the time; and announcements."""

    def work(session: Session) -> Changed:
        locked = lock_user(session, user_id)
        writer = Writer(session, user_id, locked.inbox, locked.revision)
        values: dict[str, Any] = {"user_id": user_id, "now_ms": locked.now_ms}
        if until_time is not None:
            count = session.run(_READ_UNTIL, **values, until_time=until_time)
            if count:
                writer.wrote(ChangeType.READ, unread=-count, until_time=until_time)
        elif notification_ids:
            rows = session.rows(_READ_NAMED, **values, notification_ids=list(notification_ids))
            found = _in_order(notification_ids, {row[0] for row in rows})
            if found:
                writer.wrote(ChangeType.READ, unread=-len(found), notification_ids=found)
        read = announcements.mark_read(session, user_id, announcement_ids, locked.now_ms)
        return _changed(
            session, locked, Beside(notifications=writer.done(), read_announcements=read)
        )

    return db.write(work)


def delete(
    db: Database,
    user_id: str,
    *,
    notification_ids: Sequence[str] = (),
    until_time: int | None = None,
) -> Changed:
    """Deletes for good: those ids, or all that were made up to the time."""

    def work(session: Session) -> Changed:
        locked = lock_user(session, user_id)
        writer = Writer(session, user_id, locked.inbox, locked.revision)
        if until_time is not None:
            rows = session.rows(_DELETE_UNTIL, user_id=user_id, until_time=until_time)
            said: dict[str, Any] = {"until_time": until_time}
        else:
            ids = list(notification_ids)
            rows = session.rows(_DELETE_NAMED, user_id=user_id, notification_ids=ids)
            said = {"notification_ids": _in_order(ids, {row[0] for row in rows})}
        if rows:
            unread = sum(row[1] is None for row in rows)
            writer.wrote(ChangeType.DELETED, unread=-unread, count=-len(rows), **said)
        return _changed(session, locked, Beside(notifications=writer.done()))

    return db.write(work)


def create(db: Database, user_id: str, made: Notification, asked: Asked) -> Message:
    """Makes a message to the user, or finds the one that its sender's request_id made before.

    Its time is that of the database. The message of a request_id is None when it is gone by now.

    Raises:
        RequestIdConflict: when the request_id belongs to another request.
    """

    def work(session: Session) -> Message:
        locked = lock_user(session, user_id)
        made_id = made.notification_id
        if repeated := _made_before(session, asked, made.sender, "notification", made_id):
            row = session.row(_GET, notification_id=repeated)
            raise Undo(Message(notification_from_row(row) if row else None))
        message = replace(made, create_time=locked.now_ms, revision=locked.revision)
        writer = Writer(session, user_id, locked.inbox, locked.revision)
        writer.put(message)
        change = append_beside(session, locked, Beside(notifications=writer.done()))
        return Message(message, change)

    return db.write(work)


def announce(
    db: Database, sender: str, made: Announcement, asked: Asked
) -> tuple[Announcement | None, bool]:
    """Makes an announcement, or finds the one that its sender's request_id made before.

    Gives it, and whether it was made before; None if that is gone by now.

    Raises:
        RequestIdConflict: when the request_id belongs to another request.
    """

    def work(session: Session) -> tuple[Announcement | None, bool]:
        made_id = made.announcement_id
        if repeated := _made_before(session, asked, sender, "announcement", made_id):
            raise Undo((announcements.get(session, repeated), True))
        return announcements.create(session, made), False

    return db.write(work)


def _made_before(session: Session, asked: Asked, sender: str, kind: str, made_id: str) -> str:
    """The id of what the request_id of the sender made before; else it is empty, and `made_id` is
    remembered. Jobs, messages and announcements have request_ids of their own.

    Raises:
        RequestIdConflict: when it belongs to another request.
    """
    if not asked.request_id:
        return ""
    key = {"sender": sender, "request_id": f"{kind}:{asked.request_id}"}
    values = {"fingerprint": asked.fingerprint, "made_id": made_id, "keep_ms": asked.keep_ms}
    if session.row(_REMEMBER, **key, **values):
        return ""
    row = session.row(_REMEMBERED, **key)
    assert row is not None
    if row[0] != asked.fingerprint:
        raise RequestIdConflict(**{f"{kind}_id": row[1]})
    return str(row[1])


def _in_order(ids: Sequence[str], found: set[str]) -> tuple[str, ...]:
    return tuple(one for one in dict.fromkeys(ids) if one in found)


def _changed(session: Session, locked: LockedUser, beside: Beside) -> Changed:
    """Writes the change, or undoes the transaction if nothing has changed."""
    if beside == NOTHING_BESIDE:
        raise Undo(Changed(locked.inbox.unread))
    notifications = beside.notifications
    unread = notifications[-1].unread_count if notifications else locked.inbox.unread
    return Changed(unread, append_beside(session, locked, beside))
