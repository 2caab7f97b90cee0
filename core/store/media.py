"""The library: media items, the bin, and erasing."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import NotFound
from core.media import Media, MediaType
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement
from core.store.rows import insert_labels, insert_media, media_from_row

# Index of all below, unless another is named: the primary key.
_FIND = Statement("SELECT {media_columns} FROM media WHERE media_id = :media_id")
_GET = Statement("""
    SELECT {media_columns} FROM media WHERE media_id = :media_id AND user_id = :user_id
""")
# Locks the rows in the order of their ids, so that two calls never wait for each other. `|| ''`
# keeps SQLite from reading all items of the user by the index `media_user`.
_LOCK = Statement("""
    SELECT {media_columns} FROM media
    WHERE media_id = ANY(:media_ids) AND user_id || '' = :user_id
    ORDER BY media_id {for_update}
""")
_UPDATE = Statement("""
    UPDATE media SET title = :title, starred = :starred, labels = :labels
    WHERE media_id = :media_id
""")
# Reads the labels of the user, by the first column of the primary key.
_CLEAR_LABELS = Statement("""
    DELETE FROM media_label
    WHERE user_id = :user_id AND media_id = :media_id AND create_time = :create_time
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
    SELECT {media_columns} FROM media WHERE purge_time <= {now}
    ORDER BY purge_time LIMIT :limit {skip_locked}
""")
# Which of the blob keys an item has. Index: `media_blob` for contents. No index finds thumbnails,
# so the purge reads the whole table for each batch of keys.
_KNOWN_KEYS = Statement("""
    SELECT blob_key FROM media WHERE blob_key = ANY(:keys)
    UNION SELECT thumbnail_key FROM media WHERE thumbnail_key = ANY(:keys)
""")


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
    rows = db.rows(_GET, user_id=user_id, media_id=media_id)
    return _all_of(rows, [media_id])[0]


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
        [media] = _locked(session, user_id, [media_id])
        merged = {key: value for key, value in (media.labels | dict(labels)).items() if value}
        values: dict[str, Any] = {"media_id": media_id, "labels": json.dumps(merged)}
        values["title"] = media.title if title is None else title
        values["starred"] = media.starred if starred is None else starred
        session.run(_UPDATE, **values)
        if merged != media.labels:
            _relabel(session, media, merged)
        return _locked(session, user_id, [media_id])[0]

    return db.write(work)


def bin(db: Database, user_id: str, media_ids: Sequence[str], keep_ms: int) -> list[Media]:
    """Puts the items into the bin, all or none; those that are there keep their time.

    Raises:
        NotFound: when the user lacks one of them.
    """
    return _change(db, user_id, media_ids, _BIN, keep_ms=keep_ms)


def unbin(db: Database, user_id: str, media_id: str) -> Media:
    """Takes the item out of the bin.

    Raises:
        NotFound: when the user has no such item.
    """
    return _change(db, user_id, [media_id], _UNBIN)[0]


def erase(db: Database, user_id: str, media_ids: Sequence[str]) -> list[Media]:
    """Removes the rows, all or none, and gives them back, so that the caller deletes their bytes.

    Raises:
        NotFound: when the user lacks one of them.
    """

    def work(session: Session) -> list[Media]:
        media = _locked(session, user_id, media_ids)
        _erase(session, media)
        return media

    return db.write(work)


def erase_expired(db: Database, limit: int) -> list[Media]:
    """Removes the rows of items whose time in the bin is over, and gives them back."""

    def work(session: Session) -> list[Media]:
        media = [media_from_row(row) for row in session.rows(_EXPIRED, limit=limit)]
        _erase(session, media)
        return media

    return db.write(work)


def known_keys(db: Database, keys: Sequence[str]) -> set[str]:
    """Those of the blob keys that an item has."""
    return {row[0] for row in db.rows(_KNOWN_KEYS, keys=list(keys))}


def list_page(
    db: Database,
    user_id: str,
    *,
    type: MediaType | None = None,
    labels: Mapping[str, str] | None = None,
    query: str = "",
    starred: bool = False,
    create_time_from: int | None = None,
    create_time_until: int | None = None,
    deleted: bool = False,
    after: tuple[int, str] | None = None,
    limit: int,
) -> list[Media]:
    """Items, newest first, after the position (create_time, media_id).

    Every word of `query` must be found in the prompt or the title.
    """
    words = tuple(query.lower().split())
    wanted = [f"{key}={value}" for key, value in (labels or {}).items()]
    given = {
        "type": type,
        "create_time_from": create_time_from,
        "create_time_until": create_time_until,
        "after_time": after and after[0],
        "after_id": after and after[1],
    }
    present: dict[str, object] = {k: v for k, v in given.items() if v is not None}
    statement = _list(tuple(present), len(wanted), len(words), starred, deleted)
    values: dict[str, object] = present | {"user_id": user_id, "limit": limit}
    values |= {f"label_{i}": label for i, label in enumerate(wanted)}
    values |= {f"word_{i}": f"%{_escape(word)}%" for i, word in enumerate(words)}
    return [media_from_row(row) for row in db.rows(statement, **values)]


# The filters that take one value each.
_FILTERS = {
    "type": "media.type = :type",
    "create_time_from": "media.create_time >= :create_time_from",
    "create_time_until": "media.create_time < :create_time_until",
    "after_time": "(media.create_time, media.media_id) < (:after_time, :after_id)",
}
# For label number #. The time is said of the label too, so that its index gives the order.
_JOIN_LABEL = """
    JOIN media_label l# ON l#.user_id = media.user_id AND l#.label = :label_#
        AND l#.media_id = media.media_id AND l#.create_time = media.create_time
"""


@functools.lru_cache(maxsize=256)
def _list(
    names: tuple[str, ...], labels: int, words: int, starred: bool, deleted: bool
) -> Statement:
    """The statement of `list_page` for filters of this shape.

    It is joined here, because it must not have a filter that was not asked for, and each label
    needs a join of its own. Index: `media_user`, or with labels the primary key of `media_label`.
    """
    where = ["media.user_id = :user_id"]
    where.append(f"media.delete_time IS {'NOT NULL' if deleted else 'NULL'}")
    where += [_FILTERS[name] for name in names if name in _FILTERS]
    if starred:
        where.append("media.starred")
    for i in range(words):
        where.append(f"lower(media.prompt || ' ' || media.title) LIKE :word_{i} ESCAPE '!'")
    joins = "".join(_JOIN_LABEL.replace("#", str(i)) for i in range(labels))
    return Statement(f"""
        SELECT {{media_columns}} FROM media{joins}
        WHERE {" AND ".join(where)}
        ORDER BY media.create_time DESC, media.media_id DESC LIMIT :limit
    """)


def _escape(word: str) -> str:
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _change(
    db: Database,
    user_id: str,
    media_ids: Sequence[str],
    statement: Statement,
    **values: object,
) -> list[Media]:
    def work(session: Session) -> list[Media]:
        _locked(session, user_id, media_ids)
        session.run(statement, media_ids=media_ids, **values)
        return _locked(session, user_id, media_ids)

    return db.write(work)


def _locked(session: Session, user_id: str, media_ids: Sequence[str]) -> list[Media]:
    """The items in the order of `media_ids`; their rows are locked in the order of their ids."""
    return _all_of(session.rows(_LOCK, user_id=user_id, media_ids=list(media_ids)), media_ids)


def _all_of(rows: list[Row], media_ids: Sequence[str]) -> list[Media]:
    found = {media.media_id: media for media in map(media_from_row, rows)}
    if any(media_id not in found for media_id in media_ids):
        raise NotFound("media item")
    return [found[media_id] for media_id in dict.fromkeys(media_ids)]


def _erase(session: Session, items: Sequence[Media]) -> None:
    for media in items:
        _relabel(session, media, {})
    session.run(_ERASE, media_ids=[media.media_id for media in items])


def _relabel(session: Session, media: Media, labels: Mapping[str, str]) -> None:
    values = {"user_id": media.user_id, "media_id": media.media_id}
    session.run(_CLEAR_LABELS, **values, create_time=media.create_time)
    insert_labels(session, "media", media.user_id, media.media_id, media.create_time, labels)
