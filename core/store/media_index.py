"""Indexes media items: the oldest of a user's items that are not indexed, a segment at a time.

1. A transaction gives the segment its ordinals. Nobody uses them again, even if the rest fails.
2. Several short transactions write the postings. They name ordinals that no item has yet.
3. Several short transactions give the items their ordinals. What changed since the first step is
   corrected in them. From then on the index has the items.

Items get ordinals in the order of the library. The newest stay without, so that an item which comes
late, because of a clock that was set back, still finds its place. One that is older than those
which are indexed stays without for ever.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from core.media import Media
from core.store import postings
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement, name_part_by_dialect
from core.store.postings import BLOCK, SEGMENT
from core.store.rows import media_from_row

# So many items of a user wait until the oldest of them are indexed. Searches read those that wait.
_WAITING = SEGMENT + SEGMENT // 2
_USERS = 100
# How much one transaction writes.
_POSTINGS = 400
_ITEMS = 64

name_part_by_dialect(
    "given_items",
    sqlite="""
    SELECT json_extract(value, '$[0]') AS media_id, json_extract(value, '$[1]') AS given
    FROM json_each(:items)
    """,
    postgres="""
    SELECT value ->> 0 AS media_id, value ->> 1 AS given
    FROM json_array_elements(CAST(:items AS json))
    """,
)
# The next users by name, and whether so many items of each wait. Index: `media_unindexed`; each
# step of the recursion finds one user in it, so that it does not read the items of all.
_NEXT_USERS = Statement("""
    WITH RECURSIVE next_user(user_id, number) AS (
        SELECT min(user_id), 1 FROM media WHERE ordinal IS NULL AND user_id > :after
        UNION ALL
        SELECT (
            SELECT min(user_id) FROM media
            WHERE ordinal IS NULL AND media.user_id > next_user.user_id
        ), number + 1
        FROM next_user WHERE user_id IS NOT NULL AND number < :users
    )
    SELECT user_id, (
        SELECT count(*) FROM (
            SELECT 1 FROM media
            WHERE ordinal IS NULL AND media.user_id = next_user.user_id LIMIT :waiting
        ) w
    ) FROM next_user WHERE user_id IS NOT NULL
""")
# The newest segment of the user. Index: the primary key.
_LAST_SEGMENT = Statement("""
    SELECT first_ordinal, last_time, last_id FROM media_segment WHERE user_id = :user_id
    ORDER BY first_time DESC, first_ordinal DESC LIMIT 1
""")
# The oldest items that are newer than those which are indexed. Index: `media_unindexed`.
_OLDEST = Statement("""
    SELECT {media_columns} FROM media
    WHERE user_id = :user_id AND ordinal IS NULL
        AND (create_time, media_id) > (:last_time, :last_id)
    ORDER BY create_time, media_id LIMIT :limit
""")
# Index: `media_segment_ordinal`.
_LAST_ORDINAL = Statement("SELECT max(first_ordinal) FROM media_segment")
_ADD_SEGMENT = Statement("""
    INSERT INTO media_segment (user_id, first_time, first_ordinal, last_time, last_id)
    VALUES (:user_id, :first_time, :first_ordinal, :last_time, :last_id)
    ON CONFLICT (first_ordinal) DO NOTHING
""")
# Locks the items in the order of their ids. Index: the primary key.
_LOCK = Statement("""
    SELECT {media_columns} FROM media WHERE media_id = ANY(:media_ids) AND ordinal IS NULL
    ORDER BY media_id {for_update}
""")
# Index: the primary key.
_NUMBER = Statement("""
    UPDATE media SET ordinal = CAST(g.given AS BIGINT), terms = NULL
    FROM ({given_items}) g WHERE media.media_id = g.media_id AND media.ordinal IS NULL
""")


def next_users(db: Database, after: str) -> tuple[list[str], str]:
    """Those of the next 100 users, by name, of whom enough items wait to be indexed; and the last
    of the 100, or nothing after the last user of all."""
    rows = db.rows(_NEXT_USERS, after=after, users=_USERS, waiting=_WAITING)
    last = rows[-1][0] if len(rows) == _USERS else ""
    return [user_id for user_id, count in rows if count == _WAITING], last


def index_segment(db: Database, user_id: str, rest: Callable[[], None]) -> int:
    """Indexes a segment of the user's items if enough of them wait; how many.

    It rests between its transactions.
    """
    items = _oldest(db, user_id)
    if not items:
        return 0
    first = db.write(lambda session: _reserve(session, user_id, items))
    if first is None:
        return 0
    block, place = divmod(first, BLOCK)
    with_property: dict[str, int] = defaultdict(int)
    for number, item in enumerate(items):
        for of in postings.properties(item):
            with_property[of] |= 1 << number
    masks = {postings.token(user_id, of): mask << place for of, mask in with_property.items()}
    # In the order of the table, so that a transaction writes pages that lie together.
    tokens = sorted(masks)
    for at in range(0, len(tokens), _POSTINGS):
        part = {of: (masks[of], 0) for of in tokens[at : at + _POSTINGS]}
        rest()
        _write(db, block, part)
    for at in range(0, len(items), _ITEMS):
        rest()
        some, ordinal = items[at : at + _ITEMS], first + at
        _settle(db, some, ordinal)
    return len(items)


def _oldest(db: Database, user_id: str) -> list[Media]:
    last = db.row(_LAST_SEGMENT, user_id=user_id) or (0, 0, "")
    rows = db.rows(_OLDEST, user_id=user_id, last_time=last[1], last_id=last[2], limit=_WAITING)
    return [media_from_row(row) for row in rows[:SEGMENT]] if len(rows) == _WAITING else []


def _reserve(session: Session, user_id: str, items: Sequence[Media]) -> int | None:
    """The first ordinal of the segment; None when another process has just given it out."""
    last = session.row(_LAST_SEGMENT, user_id=user_id)
    after = last[0] + SEGMENT if last else 0
    if after % BLOCK == 0:
        newest = session.row(_LAST_ORDINAL)
        after = 0 if newest is None or newest[0] is None else (newest[0] // BLOCK + 1) * BLOCK
    added = session.run(
        _ADD_SEGMENT,
        user_id=user_id,
        first_time=items[0].create_time,
        first_ordinal=after,
        last_time=items[-1].create_time,
        last_id=items[-1].media_id,
    )
    return after if added else None


def _write(db: Database, block: int, masks: Mapping[int, tuple[int, int]]) -> None:
    db.write(lambda session: postings.merge(session, block, masks))


def _settle(db: Database, items: Sequence[Media], first: int) -> None:
    db.write(lambda session: _number(session, items, first))


def _number(session: Session, items: Sequence[Media], first: int) -> None:
    ordinals = {item.media_id: first + number for number, item in enumerate(items)}
    rows = session.rows(_LOCK, media_ids=sorted(ordinals))
    now = {item.media_id: item for item in map(media_from_row, rows)}
    changed = [
        # One that was erased has no properties any more.
        (
            ordinals[item.media_id],
            item.user_id,
            postings.properties(item),
            postings.properties(now[item.media_id]) if item.media_id in now else set(),
        )
        for item in items
        if item != now.get(item.media_id)
    ]
    postings.change(session, changed)
    session.run(_NUMBER, items=json.dumps([(media_id, ordinals[media_id]) for media_id in now]))
