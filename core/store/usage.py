"""How many bytes of media each user keeps: a counter beside the rows of `media`.

Invariant: it is the sum of the `size_bytes` of the user's items. `rows.insert_media` alone adds
items and `media` alone erases them; each counts in its own transaction, after all other locks.
"""

from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# Index of all: the primary key.
_COUNT = Statement("""
    INSERT INTO user_storage (user_id, used_bytes) VALUES (:user_id, :change)
    ON CONFLICT (user_id) DO UPDATE
    SET used_bytes = user_storage.used_bytes + excluded.used_bytes
""")
_LOCK = Statement("""
    INSERT INTO user_storage (user_id, used_bytes) VALUES (:user_id, 0)
    ON CONFLICT (user_id) DO UPDATE SET used_bytes = user_storage.used_bytes
""")
_USED = Statement("SELECT used_bytes FROM user_storage WHERE user_id = :user_id")
# Both read the table `user_storage`, which has a row for each user, for an administrator who asks.
_LARGEST = Statement("""
    SELECT user_id, used_bytes FROM user_storage
    WHERE used_bytes > 0 ORDER BY used_bytes DESC, user_id LIMIT :count
""")
_WITH = Statement("SELECT count(*) FROM user_storage WHERE used_bytes >= :used_bytes")


def count(session: Session, user_id: str, change: int) -> None:
    """Adds so many bytes to what the user keeps; fewer than none take some away."""
    session.later(_COUNT, user_id=user_id, change=change)


def lock(session: Session, user_id: str) -> None:
    """Until the transaction ends, no other locks the user's counter, and none changes it."""
    session.later(_LOCK, user_id=user_id)


def used_bytes(db: Database, user_id: str) -> int:
    """Bytes of the user's items, with those in the bin, without thumbnails."""
    row = db.row(_USED, user_id=user_id)
    return int(row[0]) if row else 0


def largest(db: Database, count: int) -> list[tuple[str, int]]:
    """The users who keep most, and how many bytes each keeps; at most so many users."""
    return [(str(user_id), int(used)) for user_id, used in db.rows(_LARGEST, count=count)]


def count_users(db: Database, bytes: int) -> int:
    """How many users keep at least so many bytes."""
    row = db.row(_WITH, used_bytes=bytes)
    return int(row[0]) if row else 0
