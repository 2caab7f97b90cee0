"""Exports: items of one user, until they expire or newer ones take their place."""

import pytest

from core.errors import NotFound
from core.ids import new_id
from core.store import Database, exports, media, retention
from core.store.engine.sql import Statement
from core.store.exports import Export
from tests.making import new_media

COUNT = Statement("SELECT count(*) FROM export")
HOUR_MS = 3600 * 1000


def stored(db: Database, user_id: str = "alice", size_bytes: int = 3) -> str:
    item = new_media(user_id, size_bytes=size_bytes)
    media.add(db, item)
    return item.media_id


def made(db: Database, *media_ids: str, user_id: str = "alice", lasts_ms: int = HOUR_MS) -> Export:
    return exports.create(db, user_id, media_ids, db.now_ms() + lasts_ms, most=3)[0]


def counted(db: Database) -> int:
    row = db.row(COUNT)
    assert row is not None
    return int(row[0])


def ids(db: Database, export: Export) -> list[str]:
    return [item.media_id for item in exports.items(db, export, export.media_ids)]


def test_an_export_has_its_items_in_their_order_each_once(db: Database) -> None:
    first, second = stored(db, size_bytes=5), stored(db, size_bytes=7)

    export, size = exports.create(db, "alice", [second, first, second], db.now_ms() + 1, most=3)

    assert (export.media_ids, size) == ((second, first), 12)
    assert exports.find(db, export.export_id) == export
    assert ids(db, export) == [second, first]
    assert exports.find(db, new_id()) is None


def test_an_item_that_the_user_lacks_is_named_and_nothing_is_stored(db: Database) -> None:
    own, foreign, binned = stored(db), stored(db, "bob"), stored(db)
    media.bin(db, "alice", [binned], HOUR_MS)
    for wrong in (foreign, binned, new_id()):
        with pytest.raises(NotFound) as caught:
            made(db, own, wrong)
        assert [violation.field for violation in caught.value.violations] == ["media_ids[1]"]
    assert counted(db) == 0


def test_an_item_in_the_bin_is_none_of_the_export_s_until_it_is_out(db: Database) -> None:
    kept, binned, erased = (stored(db) for _ in range(3))
    export = made(db, kept, binned, erased)

    media.bin(db, "alice", [binned], HOUR_MS)
    media.erase(db, "alice", [erased])
    assert ids(db, export) == [kept]
    media.unbin(db, "alice", binned)
    assert ids(db, export) == [kept, binned]


def test_the_oldest_of_a_user_make_room(db: Database) -> None:
    item, theirs = stored(db), stored(db, "bob")
    foreign = made(db, theirs, user_id="bob")
    several = [made(db, item) for _ in range(5)]

    found = [exports.find(db, one.export_id) for one in several]
    assert found == [None, None, *several[2:]]
    assert exports.find(db, foreign.export_id) == foreign


def test_what_has_expired_is_forgotten(db: Database) -> None:
    item = stored(db)
    old, young = made(db, item, lasts_ms=-1000), made(db, item)
    retention.forget(db, HOUR_MS)
    assert exports.find(db, old.export_id) is None
    assert exports.find(db, young.export_id) == young
