"""Lists of a user's media items by any combination of filters, newest first.

The newest items are not indexed yet (`core.store.indexing`). There are at most some hundreds of
them, which a list reads first. The index has all others.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from core.media import Media, MediaType
from core.store import postings
from core.store.engine.database import Database
from core.store.engine.sql import Statement, name_part_by_dialect
from core.store.rows import media_from_row
from core.words import wanted_terms

# Whether a text is in another, with regard to case.
name_part_by_dialect("position", sqlite="instr", postgres="strpos")
# Up to where the index may have an item of the list: the ordinal of the item before the page, and
# the segments of its first and its last time. Indexes: the primary keys.
_BOUNDS = Statement("""
    SELECT
        (SELECT ordinal FROM media WHERE media_id = :after_id AND user_id = :user_id),
        (SELECT first_ordinal FROM media_segment
            WHERE user_id = :user_id AND first_time <= :last_time
            ORDER BY first_time DESC, first_ordinal DESC LIMIT 1),
        (SELECT first_ordinal FROM media_segment
            WHERE user_id = :user_id AND first_time < :first_time
            ORDER BY first_time DESC, first_ordinal DESC LIMIT 1)
""")
# Until when the user's items are indexed. Index: the primary key of `media_segment`.
_INDEXED_UNTIL = """
    SELECT last_time FROM media_segment WHERE user_id = :user_id
    ORDER BY first_time DESC, first_ordinal DESC LIMIT 1
"""
_END_OF_TIME = 2**62


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

    Every word of `query` must begin a word of the prompt or of the title.
    """
    labels, words = labels or {}, sorted(wanted_terms(query))
    given = {
        "type": type,
        "create_time_from": create_time_from,
        "create_time_until": create_time_until,
        "after_time": after and after[0],
        "after_id": after and after[1],
    }
    shape = _Shape(
        given=tuple(name for name, value in given.items() if value is not None),
        labels=len(labels),
        words=len(words),
        starred=starred,
        deleted=deleted,
    )
    values = given | {"user_id": user_id, "limit": limit}
    values |= {f"label_{i}": json.dumps({k: labels[k]})[1:-1] for i, k in enumerate(labels)}
    values |= {f"word_{i}": f" {word}" for i, word in enumerate(words)}
    found, indexed_until = _unindexed(db, shape, values)
    if len(found) == limit and found[-1].create_time > indexed_until:
        return found
    wanted = [
        "bin" if deleted else "live",
        *([f"type {type}"] if type else []),
        *(["starred"] if starred else []),
        *(f"label {key}={value}" for key, value in labels.items()),
        *(f"word {word}" for word in words),
    ]
    # An item that was indexed in the meantime is in both.
    items = {media.media_id: media for media in found}
    items |= {media.media_id: media for media in islice(_indexed(db, shape, values, wanted), limit)}
    newest_first = sorted(items.values(), key=lambda m: (m.create_time, m.media_id), reverse=True)
    return newest_first[:limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Which filters a list has, whatever their values: it makes the statements."""

    given: tuple[str, ...]
    labels: int
    words: int
    starred: bool
    deleted: bool


# The filters that take one value each.
_FILTERS = {
    "type": "media.type = :type",
    "create_time_from": "media.create_time >= :create_time_from",
    "create_time_until": "media.create_time < :create_time_until",
    "after_time": "(media.create_time, media.media_id) < (:after_time, :after_id)",
}


def _unindexed(db: Database, shape: _Shape, values: dict[str, Any]) -> tuple[list[Media], int]:
    """The items of the page that are not indexed, and the time until when others are."""
    rows = db.rows(_unindexed_statement(shape), **values)
    return [media_from_row(row[:-1]) for row in rows], (rows[0][-1] or 0) if rows else 0


def _indexed(
    db: Database, shape: _Shape, values: dict[str, Any], wanted: list[str]
) -> Iterator[Media]:
    """The items of the list that are indexed, from the page's beginning on."""
    after_time, until = values["after_time"], values["create_time_until"]
    last_time = min(time for time in (after_time, until, _END_OF_TIME) if time is not None)
    bounds = db.row(_BOUNDS, **values, last_time=last_time, first_time=values["create_time_from"])
    after, newest, oldest = bounds or (None, None, None)
    if newest is None:
        return
    newest = after - 1 if after is not None else newest + postings.SEGMENT - 1
    ordinals = postings.find(db, values["user_id"], wanted, newest=newest, oldest=oldest or 0)
    # Without the ordinal before the page, a part of a segment may be too new.
    most = values["limit"] + (postings.SEGMENT if after is None and last_time < _END_OF_TIME else 0)
    statement = _indexed_statement(shape)
    while batch := list(islice(ordinals, most)):
        yield from map(media_from_row, db.rows(statement, **values, ordinals=batch))


@functools.lru_cache(maxsize=512)
def _unindexed_statement(shape: _Shape) -> Statement:
    """It is joined here, because it must not have a filter that was not asked for.

    Index: `media_unindexed`.
    """
    where = ["media.ordinal IS NULL", *_conditions(shape)]
    where += [f"{{position}}(media.terms, :word_{i}) > 0" for i in range(shape.words)]
    return Statement(f"""
        SELECT {{media_columns}}, ({_INDEXED_UNTIL}) FROM media WHERE {" AND ".join(where)}
        ORDER BY media.create_time DESC, media.media_id DESC LIMIT :limit
    """)


@functools.lru_cache(maxsize=512)
def _indexed_statement(shape: _Shape) -> Statement:
    """Reads again what the index says, because an item may have changed in the meantime.

    Index: `media_ordinal`.
    """
    where = ["media.ordinal = ANY(:ordinals)", *_conditions(shape)]
    return Statement(f"""
        SELECT {{media_columns}} FROM media WHERE {" AND ".join(where)}
        ORDER BY media.ordinal DESC LIMIT :limit
    """)


def _conditions(shape: _Shape) -> list[str]:
    where = ["media.user_id = :user_id"]
    where.append(f"media.delete_time IS {'NOT NULL' if shape.deleted else 'NULL'}")
    where += [_FILTERS[name] for name in shape.given if name in _FILTERS]
    where += [f"{{position}}(media.labels, :label_{i}) > 0" for i in range(shape.labels)]
    return [*where, "media.starred"] if shape.starred else where
