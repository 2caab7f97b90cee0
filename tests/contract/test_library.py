"""The library keeps its promises on SQLite and on PostgreSQL alike."""

import pytest

from core.errors import NotFound
from core.store import Database, media_lists
from core.store import media as library
from tests.making import new_media


def test_the_bin_takes_all_or_none(db: Database) -> None:
    items = [new_media() for _ in range(2)]
    for item in items:
        library.add(db, item)
    ids = [item.media_id for item in items]
    foreign = new_media("bob")
    library.add(db, foreign)

    with pytest.raises(NotFound):
        library.bin(db, "alice", [*ids, foreign.media_id], 1000)
    assert len(media_lists.list_page(db, "alice", limit=10)) == 2

    binned = library.bin(db, "alice", ids, 1000).items
    assert all(item.delete_time is not None for item in binned)
    assert media_lists.list_page(db, "alice", limit=10) == []
    assert len(media_lists.list_page(db, "alice", deleted=True, limit=10)) == 2
    assert library.unbin(db, "alice", ids[0]).delete_time is None
    assert library.erase(db, "alice", ids).items[1].media_id == ids[1]
    assert library.find(db, ids[0]) is None


def test_what_is_in_the_bin_already_keeps_its_time(db: Database) -> None:
    item = new_media()
    library.add(db, item)
    first = library.bin(db, "alice", [item.media_id], 1000).items[0]
    again = library.bin(db, "alice", [item.media_id], 999_000).items[0]
    assert again.purge_time == first.purge_time


def test_the_bin_is_emptied_when_its_time_is_over(db: Database) -> None:
    old, young = new_media(), new_media()
    for item, keep_ms in ((old, -1), (young, 60_000)):
        library.add(db, item)
        library.bin(db, "alice", [item.media_id], keep_ms)
    erased = library.erase_expired(db, 10)
    assert [item.media_id for item in erased] == [old.media_id]
    assert library.find(db, young.media_id) is not None


def test_the_library_is_searched_by_words_labels_and_stars(db: Database) -> None:
    item = new_media(prompt="A 50% blue Sea_horse", labels={"project": "x"})
    library.add(db, item)
    library.add(db, new_media(prompt="a red fox"))

    def ids(**filters: object) -> list[str]:
        found = media_lists.list_page(db, "alice", limit=10, **filters)  # type: ignore[arg-type]
        return [media.media_id for media in found]

    assert ids(query="SEA_ 50%") == [item.media_id]
    assert ids(query="sea_ fox") == []
    assert ids(labels={"project": "x"}) == [item.media_id]
    assert ids(starred=True) == []
    changed = library.update(
        db, "alice", item.media_id, title="T", starred=True, labels={"project": "", "view": "v"}
    )
    assert (changed.title, changed.starred, changed.labels) == ("T", True, {"view": "v"})
    assert ids(starred=True) == ids(labels={"view": "v"}) == [item.media_id]
    assert ids(labels={"project": "x"}) == []


def test_words_are_found_whatever_their_case_in_any_language(db: Database) -> None:
    item = new_media(prompt="Ein großes Boot", title="Big ÉTÉ boat")
    library.add(db, item)
    for query in ("ÉTÉ", "été", "GROSSES boot".replace("SS", "ß")):
        found = media_lists.list_page(db, "alice", query=query, limit=10)
        assert [media.media_id for media in found] == [item.media_id], query
