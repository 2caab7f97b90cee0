"""Lists of a user's media items by any combination of filters, newest first.

The newest items are not indexed yet (`core.store.indexing`). There are at most some hundreds of
them, which a list reads first. The index has all others.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from core.media import Media, MediaType
from core.store import postings
from core.store.engine.database import Database
from core.store.engine.sql import Statement, name_part_by_dialect
from core.store.rows import media_from_row
from core.words import wanted_terms

# Whether a text is in another, with regard to case.
name_part_by_dialect("position", sqlite="instr", postgres="strpos")
# What the index has of the list: until when the user's items are indexed; and up to where it may
# have one, by the ordinal of the item before the page, and the segments of its first and its last
# time. Indexes: the primary keys.
_BOUNDS = """
    SELECT
        (SELECT last_time FROM media_segment WHERE user_id = :user_id
            ORDER BY first_time DESC, first_ordinal DESC LIMIT 1) AS until,
        (SELECT ordinal FROM media WHERE media_id = :after_id AND user_id = :user_id) AS after,
        (SELECT first_ordinal FROM media_segment
            WHERE user_id = :user_id AND first_time <= :last_time
            ORDER BY first_time DESC, first_ordinal DESC LIMIT 1) AS newest,
        (SELECT first_ordinal FROM media_segment
            WHERE user_id = :user_id AND first_time < :first_time
            ORDER BY first_time DESC, first_ordinal DESC LIMIT 1) AS oldest
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
    times = (given["after_time"], create_time_until, _END_OF_TIME)
    last_time = min(time for time in times if time is not None)
    values = given | {"user_id": user_id, "limit": limit}
    values |= {"last_time": last_time, "first_time": create_time_from}
    values |= {f"label_{i}": json.dumps({k: labels[k]})[1:-1] for i, k in enumerate(labels)}
    values |= {f"word_{i}": f" {word}" for i, word in enumerate(words)}
    found, bounds = _unindexed(db, shape, values)
    if len(found) == limit and found[-1].create_time > (bounds.until or 0):
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
    indexed = islice(_indexed(db, shape, values, wanted, bounds), limit)
    items |= {media.media_id: media for media in indexed}
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


class _Bounds(NamedTuple):
    """A row of _BOUNDS."""

    until: int | None
    after: int | None
    newest: int | None
    oldest: int | None


# The filters that take one value each.
_FILTERS = {
    "type": "media.type = :type",
    "create_time_from": "media.create_time >= :create_time_from",
    "create_time_until": "media.create_time < :create_time_until",
    "after_time": "(media.create_time, media.media_id) < (:after_time, :after_id)",
}


def _unindexed(db: Database, shape: _Shape, values: dict[str, Any]) -> tuple[list[Media], _Bounds]:
    """The items of the page that are not indexed, and what the index has of the list."""
    rows, width = db.rows(_unindexed_statement(shape), **values), len(_Bounds._fields)
    items = [media_from_row(row[width:]) for row in rows if row[width] is not None]
    return items, _Bounds(*rows[0][:width])


def _indexed(
    db: Database, shape: _Shape, values: dict[str, Any], wanted: list[str], bounds: _Bounds
) -> Iterator[Media]:
    """The items of the list that are indexed, from the page's beginning on."""
    _, after, newest, oldest = bounds
    if newest is None:
        return
    newest = after - 1 if after is not None else newest + postings.SEGMENT - 1
    ordinals = postings.find(db, values["user_id"], wanted, newest=newest, oldest=oldest or 0)
    # Without the ordinal before the page, a part of a segment may be too new.
    is_rough = after is None and values["last_time"] < _END_OF_TIME
    most = values["limit"] + (postings.SEGMENT if is_rough else 0)
    statement = _indexed_statement(shape)
    while batch := list(islice(ordinals, most)):
        yield from map(media_from_row, db.rows(statement, **values, ordinals=batch))


@functools.lru_cache(maxsize=512)
def _unindexed_statement(shape: _Shape) -> Statement:
    """It is joined here, because it must not have a filter that was not asked for.

    It has a row without an item where there is none. Index: `media_unindexed`.
    """
    where = ["media.ordinal IS NULL", *_conditions(shape)]
    where += [f"{{position}}(media.terms, :word_{i}) > 0" for i in range(shape.words)]
    bounds = ", ".join(f"bounds.{name}" for name in _Bounds._fields)
    return Statement(f"""
        SELECT {bounds}, {{item_columns}} FROM ({_BOUNDS}) bounds LEFT JOIN (
            SELECT {{media_columns}} FROM media WHERE {" AND ".join(where)}
            ORDER BY media.create_time DESC, media.media_id DESC LIMIT :limit
        ) item ON TRUE
        ORDER BY item.create_time DESC, item.media_id DESC
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
