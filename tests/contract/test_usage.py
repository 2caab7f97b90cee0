"""The counter of what a user keeps is always the sum of his items."""

from core.store import Database, media, usage
from tests.making import new_media


def kept(db: Database, user_id: str, *sizes: int) -> list[str]:
    items = [new_media(user_id, size_bytes=size) for size in sizes]
    for item in items:
        media.add(db, item)
    return [item.media_id for item in items]


def test_what_is_added_and_erased_is_counted(db: Database) -> None:
    assert usage.used_bytes(db, "alice") == 0
    first, second, _ = kept(db, "alice", 100, 20, 3)
    kept(db, "bob", 7)

    # What is in the bin is kept
    media.bin(db, "alice", [first], 0)
    assert usage.used_bytes(db, "alice") == 123

    media.erase(db, "alice", [second])
    assert usage.used_bytes(db, "alice") == 103
    assert [item.media_id for item in media.erase_expired(db, 10)] == [first]
    assert (usage.used_bytes(db, "alice"), usage.used_bytes(db, "bob")) == (3, 7)


def test_items_of_several_users_are_erased_together(db: Database) -> None:
    for user_id in ("bob", "alice", "carol"):
        media.bin(db, user_id, kept(db, user_id, 10, 5)[:1], 0)

    assert len(media.erase_expired(db, 10)) == 3
    assert {usage.used_bytes(db, user_id) for user_id in ("alice", "bob", "carol")} == {5}


def test_those_who_keep_most_come_first(db: Database) -> None:
    for user_id, size in (("alice", 10), ("bob", 30), ("carol", 10)):
        kept(db, user_id, size)
    media.erase(db, "dora", kept(db, "dora", 50))

    assert usage.largest(db, 10) == [("bob", 30), ("alice", 10), ("carol", 10)]
    assert usage.largest(db, 1) == [("bob", 30)]
    assert (usage.count_users(db, 10), usage.count_users(db, 11)) == (3, 1)
