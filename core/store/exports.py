"""Exports: which items of a user a signed address gives as a ZIP, until it expires."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import NotFound
from core.ids import new_id
from core.media import Media
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.rows import media_from_row

# Index of the next four: the primary key.
_SIZES = Statement("""
    SELECT media_id, size_bytes FROM media
    WHERE media_id = ANY(:media_ids) AND user_id || '' = :user_id AND delete_time IS NULL
""")
_ITEMS = Statement("""
    SELECT {media_columns} FROM media
    WHERE media_id = ANY(:media_ids) AND user_id || '' = :user_id AND delete_time IS NULL
""")
_INSERT = Statement("""
    INSERT INTO export (export_id, user_id, media_ids, create_time, expire_time)
    VALUES (:export_id, :user_id, :media_ids, {now}, :expire_time)
""")
_FIND = Statement("SELECT user_id, media_ids FROM export WHERE export_id = :export_id")
# Those before the newest of a user. Index: `export_user`, which has few of each.
_MAKE_ROOM = Statement("""
    DELETE FROM export WHERE export_id IN (
        SELECT export_id FROM export WHERE user_id = :user_id
        ORDER BY create_time DESC, export_id DESC LIMIT 1000 OFFSET :most
    )
""")
# Index: `export_expire`, then the primary key.
_FORGET = Statement("""
    DELETE FROM export WHERE export_id IN (
        SELECT export_id FROM export WHERE expire_time < {moment}
        ORDER BY expire_time LIMIT :part
    )
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Items of a user, in the order that they get in the ZIP."""

    export_id: str
    user_id: str
    media_ids: tuple[str, ...]


def create(
    db: Database, user_id: str, media_ids: Sequence[str], expire_time: int, most: int
) -> tuple[Export, int]:
    """A new export, and how many bytes its items have together.

    The user keeps `most`: the oldest end for it.

    Raises:
        NotFound: naming the field, when the user lacks one of the items, or it is in the bin.
    """
    wanted = tuple(dict.fromkeys(media_ids))
    export = Export(export_id=new_id(), user_id=user_id, media_ids=wanted)

    def work(session: Session) -> int:
        rows = session.rows(_SIZES, user_id=user_id, media_ids=list(wanted))
        sizes = {row[0]: int(row[1]) for row in rows}
        for number, media_id in enumerate(media_ids):
            if media_id not in sizes:
                raise NotFound("media item", f"media_ids[{number}]")
        values = {"user_id": user_id, "media_ids": json.dumps(wanted)}
        session.run(_INSERT, export_id=export.export_id, expire_time=expire_time, **values)
        session.run(_MAKE_ROOM, user_id=user_id, most=most)
        return sum(sizes.values())

    return export, db.write(work)


def find(db: Database, export_id: str) -> Export | None:
    """The export, for callers who hold its address; None when it was forgotten."""
    row = db.row(_FIND, export_id=export_id)
    if row is None:
        return None
    return Export(export_id=export_id, user_id=row[0], media_ids=tuple(json.loads(row[1])))


def items(db: Database, export: Export, media_ids: Sequence[str]) -> list[Media]:
    """Those of these items of an export that are in the library now, in their order."""
    rows = db.rows(_ITEMS, user_id=export.user_id, media_ids=list(media_ids))
    found = {media.media_id: media for media in map(media_from_row, rows)}
    return [found[media_id] for media_id in media_ids if media_id in found]


def forget(session: Session, part: int) -> int:
    """Removes up to `part` exports that have expired; tells how many."""
    return session.run(_FORGET, part=part)
