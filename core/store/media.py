"""The library: media items, the bin, and erasing. `media_lists` lists it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import NotFound
from core.events import Beside, UserChange
from core.media import Media
from core.store import postings, recipes, shares, usage, views
from core.store.change import append_beside, hold, lock_user
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement
from core.store.rows import insert_media, media_from_row, terms_of

# Index of all below, unless another is named: the primary key.
_FIND = Statement("SELECT {media_columns} FROM media WHERE media_id = :media_id")
_GET = Statement("""
    SELECT {media_columns} FROM media WHERE media_id = :media_id AND user_id = :user_id
""")
# Locks the rows in the order of their ids, so that two calls never wait for each other.
_LOCK = Statement("""
    SELECT {media_columns}, media.ordinal FROM media
    WHERE media_id = ANY(:media_ids) AND user_id = :user_id
    ORDER BY media_id {for_update}
""")
_UPDATE = Statement("""
    UPDATE media SET title = :title, starred = :starred, labels = :labels,
        terms = CASE WHEN ordinal IS NULL THEN :terms END
    WHERE media_id = :media_id
""")
_BIN = Statement("""
    UPDATE media SET delete_time = {now}, purge_time = {now} + :keep_ms
    WHERE media_id = ANY(:media_ids) AND delete_time IS NULL
""")
_UNBIN = Statement("""
    UPDATE media SET delete_time = NULL, purge_time = NULL WHERE media_id = ANY(:media_ids)
""")
_ERASE = Statement("DELETE FROM media WHERE media_id = ANY(:media_ids)")
# Locks the items whose time in the bin is over, the oldest first. Index: `media_purge`.
_EXPIRED = Statement("""
    SELECT {media_columns}, media.ordinal FROM media WHERE purge_time <= {moment}
    ORDER BY purge_time LIMIT :limit {skip_locked}
""")
_KEYS = Statement("SELECT blob_key, thumbnail_key FROM media WHERE media_id = ANY(:media_ids)")


@dataclass(frozen=True, slots=True)
class _Item:
    """An item whose row is locked, and its number in the index if it is there."""

    media: Media
    ordinal: int | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """Items that were deleted, the names of the views that showed them, and the change of these;
    None when no view did."""

    items: list[Media]
    cleared_views: tuple[str, ...] = ()
    change: UserChange | None = None


def add(db: Database, media: Media) -> None:
    """Puts the item, whose bytes are whole, into the library."""
    db.write(lambda session: insert_media(session, media))


def find(db: Database, media_id: str) -> Media | None:
    """The item, whoever has it; for callers who hold a signed address."""
    row = db.row(_FIND, media_id=media_id)
    return media_from_row(row) if row else None


def get(db: Database, user_id: str, media_id: str) -> Media:
    """The user's item, also from the bin.

    Raises:
        NotFound: when the user has no such item.
    """
    row = db.row(_GET, user_id=user_id, media_id=media_id)
    if row is None:
        raise NotFound("media item")
    return media_from_row(row)


def update(
    db: Database,
    user_id: str,
    media_id: str,
    *,
    title: str | None,
    starred: bool | None,
    labels: Mapping[str, str],
) -> Media:
    """Changes what is not None; labels are merged, an empty value removes the key.

    Raises:
        NotFound: when the user has no such item.
    """

    def work(session: Session) -> Media:
        [before] = _locked(session, user_id, [media_id])
        media = before.media
        merged = {key: value for key, value in (media.labels | dict(labels)).items() if value}
        values: dict[str, Any] = {"media_id": media_id, "labels": json.dumps(merged)}
        values["title"] = media.title if title is None else title
        values["starred"] = media.starred if starred is None else starred
        session.run(_UPDATE, **values, terms=terms_of(values["title"], media.prompt))
        return _reindexed(session, user_id, [before])[0]

    return db.write(work)


def bin(db: Database, user_id: str, media_ids: Sequence[str], keep_ms: int) -> Deleted:
    """Puts the items into the bin, all or none; those that are there keep their time.

    Raises:
        NotFound: when the user lacks one of them.
    """

    def work(session: Session) -> Deleted:
        hold(session, user_id)
        items = _change(session, user_id, media_ids, _BIN, keep_ms=keep_ms)
        return _deleted(session, user_id, items)

    return db.write(work)


def unbin(db: Database, user_id: str, media_id: str) -> Media:
    """Takes the item out of the bin.

    Raises:
        NotFound: when the user has no such item.
    """
    return db.write(lambda session: _change(session, user_id, [media_id], _UNBIN))[0]


def erase(db: Database, user_id: str, media_ids: Sequence[str]) -> Deleted:
    """Removes the rows, all or none, and gives them back, so that the caller deletes their bytes.

    Raises:
        NotFound: when the user lacks one of them.
    """

    def work(session: Session) -> Deleted:
        hold(session, user_id)
        items = _locked(session, user_id, media_ids)
        _erase(session, items)
        return _deleted(session, user_id, [item.media for item in items])

    return db.write(work)


def erase_expired(db: Database, limit: int) -> list[Media]:
    """Removes the rows of items whose time in the bin is over, and gives them back."""

    def work(session: Session) -> list[Media]:
        items = [_item(row) for row in session.rows(_EXPIRED, limit=limit)]
        _erase(session, items)
        return [item.media for item in items]

    return db.write(work)


def blob_keys(db: Database, media_ids: Sequence[str]) -> set[str]:
    """The keys of the blobs of those items that there are."""
    rows = db.rows(_KEYS, media_ids=list(media_ids))
    return {key for row in rows for key in row if key}


def _change(
    session: Session,
    user_id: str,
    media_ids: Sequence[str],
    statement: Statement,
    **values: object,
) -> list[Media]:
    before = _locked(session, user_id, media_ids)
    session.run(statement, media_ids=media_ids, **values)
    return _reindexed(session, user_id, before)


def _deleted(session: Session, user_id: str, items: list[Media]) -> Deleted:
    """Clears the views that show items which this transaction deletes, in one change, and revokes
    their shares.

    The user was locked before the items. Whoever applies or shares an item locks its user and then
    reads it, so no view and no share can show one of these after this.
    """
    media_ids = [media.media_id for media in items]
    shares.revoke_items(session, media_ids)
    shown = views.showing_items(session, user_id, media_ids)
    if not shown:
        return Deleted(items)
    locked = lock_user(session, user_id)
    cleared = views.clear_items(session, user_id, shown, locked.now_ms)
    change = append_beside(session, locked, Beside(views=cleared))
    return Deleted(items, tuple(shown), change)


def _reindexed(session: Session, user_id: str, before: Sequence[_Item]) -> list[Media]:
    """The items as they are after a change, which the index has from now on."""
    after = _locked(session, user_id, [item.media.media_id for item in before])
    postings.change(
        session,
        [
            (old.ordinal, user_id, postings.properties(old.media), postings.properties(new.media))
            for old, new in zip(before, after, strict=True)
            if old.ordinal is not None
        ],
    )
    return [item.media for item in after]


def _erase(session: Session, items: Sequence[_Item]) -> None:
    postings.change(
        session,
        [
            (item.ordinal, item.media.user_id, postings.properties(item.media), set())
            for item in items
            if item.ordinal is not None
        ],
    )
    media_ids = [item.media.media_id for item in items]
    session.run(_ERASE, media_ids=media_ids)
    recipes.erase(session, media_ids)
    sizes: Counter[str] = Counter()
    for item in items:
        sizes[item.media.user_id] += item.media.size_bytes
    for user_id, size in sorted(sizes.items()):  # in one order, as rows are locked
        usage.count(session, user_id, -size)


def _locked(session: Session, user_id: str, media_ids: Sequence[str]) -> list[_Item]:
    """The items in the order of `media_ids`; their rows are locked in the order of their ids."""
    rows = session.rows(_LOCK, user_id=user_id, media_ids=list(media_ids))
    found = {item.media.media_id: item for item in map(_item, rows)}
    if any(media_id not in found for media_id in media_ids):
        raise NotFound("media item")
    return [found[media_id] for media_id in dict.fromkeys(media_ids)]


def _item(row: Row) -> _Item:
    return _Item(media_from_row(row[:-1]), row[-1])
