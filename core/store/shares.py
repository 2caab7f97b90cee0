"""Shares: rows that show an item of their owner to another user, or to whoever has a link.

`end_time` is when a share ends: when it expires, or when it was revoked before that. `ended` is set
when it is revoked, and by the housekeeping when it has expired. So the indexes of shares that last
have few others, however many there were. Invariant: no share of an item that is in the bin or gone
lasts. `share_calls` has what callers do with shares.
"""

from collections.abc import Sequence

from core.errors import NotFound
from core.media import MediaType
from core.shares import LISTED_MS, Share, SharedItem
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement, columns, name_part
from core.store.rows import media_from_row

_NAMES = (
    *("share_id", "media_id", "media_type", "owner_user_id", "user_id", "message", "with_recipe"),
    *("create_time", "expire_time", "revoke_time"),
)
name_part("share_columns", columns(_NAMES, "share"))
name_part("share_names", columns(_NAMES))
# A part of each list: what comes after a position, the newest first.
name_part(
    "older_shares",
    """
    (share.create_time, share.share_id) < (:after_time, :after_id)
    ORDER BY share.create_time DESC, share.share_id DESC LIMIT :limit
    """,
)
# Shares that last, of an owner. Index: `share_lasting`.
_LASTING = Statement("""
    SELECT {share_columns} FROM share
    WHERE owner_user_id = :user_id AND NOT ended AND end_time > {moment} AND {older_shares}
""")
# The same with those that have ended. Index: `share_owner`.
_ALL = Statement("""
    SELECT {share_columns} FROM share
    WHERE owner_user_id = :user_id AND end_time > {moment} - :listed_ms AND {older_shares}
""")
# The same of one item. `|| ''` keeps SQLite from reading all of the user.
# Indexes: `share_item_lasting`, `share_item`.
_LASTING_OF_ITEM = Statement("""
    SELECT {share_columns} FROM share
    WHERE media_id = :media_id AND owner_user_id || '' = :user_id
        AND NOT ended AND end_time > {moment} AND {older_shares}
""")
_ALL_OF_ITEM = Statement("""
    SELECT {share_columns} FROM share
    WHERE media_id = :media_id AND owner_user_id || '' = :user_id
        AND end_time > {moment} - :listed_ms AND {older_shares}
""")
# What others share with a user now. Indexes: `share_with`, the primary key of the items.
_WITH_USER = Statement("""
    SELECT {share_columns}, {media_columns}
    FROM share JOIN media ON media.media_id = share.media_id AND media.delete_time IS NULL
    WHERE share.user_id = :user_id AND share.user_id <> ''
        AND NOT share.ended AND share.end_time > {moment} AND {older_shares}
""")
# The same of one type. Indexes: `share_with_type`, the primary key of the items.
_WITH_USER_OF_TYPE = Statement("""
    SELECT {share_columns}, {media_columns}
    FROM share JOIN media ON media.media_id = share.media_id AND media.delete_time IS NULL
    WHERE share.user_id = :user_id AND share.user_id <> '' AND share.media_type = :media_type
        AND NOT share.ended AND share.end_time > {moment} AND {older_shares}
""")
# A link that was not revoked, whether it lasts, and its item. Indexes: both primary keys.
_LINK = Statement("""
    SELECT share.end_time > {now}, {share_columns}, {media_columns}
    FROM share JOIN media ON media.media_id = share.media_id AND media.delete_time IS NULL
    WHERE share.share_id = :share_id AND share.user_id = '' AND share.revoke_time IS NULL
""")
# How many shares of an owner last, up to a limit. Index: `share_lasting`.
_COUNT = Statement("""
    SELECT count(*) FROM (
        SELECT 1 FROM share
        WHERE owner_user_id = :user_id AND NOT ended AND end_time > {moment} LIMIT :most
    ) lasting
""")
# The share of the item with the user that lasts. Index: `share_with_item`.
_RENEW = Statement("""
    UPDATE share SET expire_time = :expire_time, end_time = :expire_time, message = :message,
        with_recipe = :with_recipe
    WHERE user_id = :user_id AND media_id = :media_id AND user_id <> ''
        AND NOT ended AND end_time > {now}
    RETURNING {share_names}
""")
_INSERT = Statement("""
    INSERT INTO share (
        share_id, media_id, media_type, owner_user_id, user_id, message, with_recipe, create_time,
        expire_time, end_time, ended
    ) VALUES (
        :share_id, :media_id, :media_type, :owner_user_id, :user_id, :message, :with_recipe,
        :create_time, :expire_time, :expire_time, FALSE
    )
""")
# A share that lasts, by its owner or by the user it is shared with. Index of both: the primary key.
_REVOKE = Statement("""
    UPDATE share SET revoke_time = {now}, end_time = {now}, ended = TRUE
    WHERE share_id = :share_id
        AND (owner_user_id || '' = :user_id OR user_id || '' = :user_id)
        AND NOT ended AND end_time > {now}
""")
_GET = Statement("""
    SELECT {share_columns} FROM share
    WHERE share_id = :share_id
        AND (owner_user_id || '' = :user_id OR user_id || '' = :user_id)
""")
# All shares of items that are deleted. Index: `share_item_lasting`.
_REVOKE_ITEMS = Statement("""
    UPDATE share SET revoke_time = {now}, end_time = {now}, ended = TRUE
    WHERE media_id = ANY(:media_ids) AND NOT ended AND end_time > {now}
""")
# Index: `share_expired`, then the primary key.
_END = Statement("""
    UPDATE share SET ended = TRUE WHERE share_id IN (
        SELECT share_id FROM share WHERE NOT ended AND end_time < {moment}
        ORDER BY end_time LIMIT :part
    )
""")
# Index: `share_ended`, then the primary key.
_FORGET = Statement("""
    DELETE FROM share WHERE share_id IN (
        SELECT share_id FROM share WHERE ended AND end_time < {moment} - :listed_ms
        ORDER BY end_time LIMIT :part
    )
""")
_FIRST = (2**62, "~")
# Where a page goes on: the time and the id of the last share before it.
Position = tuple[int, str]


def page(
    db: Database,
    user_id: str,
    *,
    media_id: str = "",
    with_ended: bool = False,
    after: Position | None = None,
    limit: int,
) -> list[Share]:
    """The user's shares with others, of one item if it is named, newest first.

    Those that have ended are among them for LISTED_MS, if they are wanted.
    """
    statement = {
        (False, False): _LASTING,
        (False, True): _ALL,
        (True, False): _LASTING_OF_ITEM,
        (True, True): _ALL_OF_ITEM,
    }[bool(media_id), with_ended]
    values = {"user_id": user_id, "media_id": media_id, "listed_ms": LISTED_MS}
    rows = db.rows(statement, **values, **_after(after), limit=limit)
    return [_from_row(row) for row in rows]


def page_with(
    db: Database,
    user_id: str,
    *,
    type: MediaType | None = None,
    after: Position | None = None,
    limit: int,
) -> list[SharedItem]:
    """What others share with the user now, newest first."""
    statement = _WITH_USER_OF_TYPE if type else _WITH_USER
    rows = db.rows(statement, user_id=user_id, media_type=type, **_after(after), limit=limit)
    return [SharedItem(_from_row(row), media_from_row(row[len(_NAMES) :])) for row in rows]


def find_link(db: Database, share_id: str) -> SharedItem | None:
    """The item of a link, for callers who hold its address; None when nothing is to be shown."""
    row = db.row(_LINK, share_id=share_id)
    if row is None:
        return None
    return SharedItem(_from_row(row[1:]), media_from_row(row[1 + len(_NAMES) :]), bool(row[0]))


def get(db: Database | Session, user_id: str, share_id: str) -> Share:
    """A share of the user, or with the user.

    Raises:
        NotFound: when there is no such share.
    """
    row = db.row(_GET, share_id=share_id, user_id=user_id)
    if row is None:
        raise NotFound("share")
    return _from_row(row)


def count_lasting(session: Session, user_id: str, most: int) -> int:
    """How many shares of the owner last, up to `most`."""
    row = session.row(_COUNT, user_id=user_id, most=most)
    assert row is not None
    return int(row[0])


def renew(session: Session, wanted: Share) -> Share | None:
    """The share with the same user of the same item, with the new end, if there is one."""
    row = session.row(
        _RENEW,
        user_id=wanted.user_id,
        media_id=wanted.media_id,
        expire_time=wanted.expire_time,
        message=wanted.message,
        with_recipe=wanted.with_recipe,
    )
    return _from_row(row) if row else None


def insert(session: Session, share: Share) -> None:
    """Writes a new share. Its owner is locked, and its item is not in the bin."""
    names = [name for name in _NAMES if name != "revoke_time"]
    session.later(_INSERT, **{name: getattr(share, name) for name in names})


def revoke(db: Database, user_id: str, share_id: str) -> Share:
    """Ends the share now. One that has ended before stays as it is.

    Raises:
        NotFound: when the user has no such share, and none such is with the user.
    """

    def work(session: Session) -> Share:
        session.later(_REVOKE, share_id=share_id, user_id=user_id)
        return get(session, user_id, share_id)

    return db.write(work)


def revoke_items(session: Session, media_ids: Sequence[str]) -> None:
    """Ends all shares of items that this transaction deletes. Their owner is locked."""
    session.later(_REVOKE_ITEMS, media_ids=list(media_ids))


def end(session: Session, part: int) -> int:
    """Marks up to `part` shares as ended that have expired; tells how many."""
    return session.run(_END, part=part)


def forget(session: Session, part: int) -> int:
    """Removes up to `part` shares that are not listed any more; tells how many."""
    return session.run(_FORGET, listed_ms=LISTED_MS, part=part)


def _after(after: Position | None) -> dict[str, object]:
    after_time, after_id = after or _FIRST
    return {"after_time": after_time, "after_id": after_id}


def _from_row(row: Row) -> Share:
    share_id, media_id, type, owner, user_id, message, with_recipe, create, expire, revoke = row[
        : len(_NAMES)
    ]
    return Share(
        share_id=share_id,
        media_id=media_id,
        media_type=MediaType(type),
        owner_user_id=owner,
        user_id=user_id,
        message=message,
        with_recipe=bool(with_recipe),
        create_time=create,
        expire_time=expire,
        revoke_time=revoke,
    )
