"""Announcements: messages to all users, and who has read them.

They are no user's rows and take no revision. Marking one as read does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.announcements import Announcement
from core.notifications import Severity
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement, name_part

NAMES = ("announcement_id", "severity", "title", "text", "uri", "create_time", "expire_time")
name_part("announcement_columns", ", ".join(f"announcement.{name}" for name in NAMES))
name_part(
    "is_shown",
    "NOT announcement.is_deleted"
    " AND (announcement.expire_time IS NULL OR announcement.expire_time > {now})",
)
_INSERT = Statement("""
    INSERT INTO announcement (
        announcement_id, severity, title, text, uri, create_time, expire_time, change_time
    ) VALUES (:announcement_id, :severity, :title, :text, :uri, {now}, :expire_time, {now})
""")
# Below the last one of a page, the newest first, with when the user read it.
# Indexes: `announcement_time`, the primary key of what was read.
_PAGE = Statement("""
    SELECT {announcement_columns}, announcement.read_time FROM (
        SELECT {announcement_columns}, (
                SELECT r.read_time FROM announcement_read r
                WHERE r.user_id = :user_id AND r.announcement_id = announcement.announcement_id
            ) AS read_time
        FROM announcement
        WHERE {is_shown} AND (create_time, announcement_id) < (:time, :announcement_id)
    ) announcement
    WHERE NOT :only_unread OR announcement.read_time IS NULL
    ORDER BY announcement.create_time DESC, announcement.announcement_id DESC LIMIT :limit
""")
# Index: the primary key.
_GET = Statement("""
    SELECT {announcement_columns}, NULL FROM announcement
    WHERE announcement_id = :announcement_id AND NOT is_deleted
""")
# Index: the primary key.
_DELETE = Statement("""
    UPDATE announcement SET is_deleted = TRUE, change_time = {now}
    WHERE announcement_id = :announcement_id AND NOT is_deleted
""")
# What was made and deleted lately. Index: `announcement_change`.
_CHANGED = Statement("""
    SELECT {announcement_columns}, NULL, announcement.is_deleted, announcement.change_time
    FROM announcement WHERE change_time >= :since ORDER BY change_time, announcement_id
""")
# Marks those that there are, and that are not read yet. Indexes: both primary keys.
_MARK = Statement("""
    INSERT INTO announcement_read (user_id, announcement_id, read_time)
    SELECT :user_id, announcement_id, :now_ms FROM announcement
    WHERE announcement_id = ANY(:announcement_ids) AND NOT is_deleted
    ON CONFLICT (user_id, announcement_id) DO NOTHING
    RETURNING announcement_id
""")
# Deleted ones, once each server has seen it, and expired ones. Index: `announcement_change`.
_OLD = Statement("""
    SELECT announcement_id FROM announcement
    WHERE change_time < {moment} - :keep_ms AND (is_deleted OR expire_time < {moment} - :keep_ms)
    ORDER BY change_time LIMIT :part
""")
# Index: `announcement_read_by`.
_FORGET_READS = Statement("""
    DELETE FROM announcement_read WHERE announcement_id = ANY(:announcement_ids)
""")
_FORGET = Statement("DELETE FROM announcement WHERE announcement_id = ANY(:announcement_ids)")
_END_OF_TIME = 2**62
KEPT_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class AnnouncementChange:
    """An announcement that was made or deleted at a time, in milliseconds of the database."""

    announcement: Announcement
    is_deleted: bool
    change_time: int


def create(session: Session, made: Announcement) -> Announcement:
    """Makes it. Its time is that of the database."""
    values = {name: getattr(made, name) for name in NAMES if name != "create_time"}
    session.run(_INSERT, **values)
    found = get(session, made.announcement_id)
    assert found is not None
    return found


def get(session: Session, announcement_id: str) -> Announcement | None:
    """The announcement, unless it is deleted or unknown."""
    row = session.row(_GET, announcement_id=announcement_id)
    return announcement_from_row(row) if row else None


def page(
    db: Database,
    user_id: str,
    *,
    limit: int,
    below: tuple[int, str] | None = None,
    only_unread: bool = False,
) -> list[Announcement]:
    """The next ones that are shown, below (`create_time`, `announcement_id`), the newest first."""
    time, announcement_id = below or (_END_OF_TIME, "")
    values: dict[str, Any] = {"user_id": user_id, "only_unread": only_unread, "limit": limit}
    rows = db.rows(_PAGE, **values, time=time, announcement_id=announcement_id)
    return [announcement_from_row(row) for row in rows]


def delete(db: Database, announcement_id: str) -> None:
    """Deletes it, if it is not gone already."""
    db.write(lambda session: session.run(_DELETE, announcement_id=announcement_id))


def changed_since(db: Database, since: int) -> list[AnnouncementChange]:
    """What was made and deleted at that time or later, in the order of time."""
    return [
        AnnouncementChange(announcement_from_row(row[:-2]), bool(row[-2]), int(row[-1]))
        for row in db.rows(_CHANGED, since=since)
    ]


def mark_read(
    session: Session, user_id: str, announcement_ids: Sequence[str], now_ms: int
) -> tuple[str, ...]:
    """Marks as read, for the user; gives those that were not."""
    if not announcement_ids:
        return ()
    values = {"user_id": user_id, "now_ms": now_ms, "announcement_ids": list(announcement_ids)}
    found = {row[0] for row in session.rows(_MARK, **values)}
    return tuple(one for one in dict.fromkeys(announcement_ids) if one in found)


def forget(session: Session, part: int) -> int:
    """Removes deleted and expired ones after a day, with who has read them; how many."""
    gone = [row[0] for row in session.rows(_OLD, keep_ms=KEPT_MS, part=part)]
    if gone:
        session.run(_FORGET_READS, announcement_ids=gone)
        session.run(_FORGET, announcement_ids=gone)
    return len(gone)


def announcement_from_row(row: Row) -> Announcement:
    """The announcement of a row with the columns of `{announcement_columns}` and a read time."""
    values: dict[str, Any] = dict(zip((*NAMES, "read_time"), row, strict=True))
    return Announcement(**values | {"severity": Severity(values["severity"])})
