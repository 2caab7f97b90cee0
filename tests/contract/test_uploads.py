"""Unfinished uploads on both databases: one receiver at a time, and no byte twice."""

import threading
from dataclasses import replace

import pytest

from core.errors import ResourceLimitReached
from core.store import Database, media, uploads, usage
from core.uploads import Part, Upload
from tests.making import new_media

SHA = "ab" * 32
LEASE_MS = 60_000


def begun(db: Database, user_id: str = "alice", **changes: object) -> uploads.Begun:
    values: dict[str, object] = {"size_bytes": 10, "sha256": "", "most": 3, "keep_ms": 60_000}
    return uploads.begin(db, uploads.Asked(user_id=user_id, **{**values, **changes}))  # type: ignore[arg-type]


def new(db: Database, user_id: str = "alice", **changes: object) -> Upload:
    upload = begun(db, user_id, **changes).upload
    assert upload is not None
    return upload


def taken(db: Database, upload: Upload, lease_ms: int = LEASE_MS) -> Upload:
    fence = uploads.take(db, upload, lease_ms)
    assert fence is not None
    return replace(upload, fence=fence)


def found(db: Database, upload: Upload) -> Upload:
    now = uploads.find(db, upload.media_id)
    assert now is not None
    return now


def test_the_same_checksum_continues_and_another_size_replaces(db: Database) -> None:
    first = new(db, sha256=SHA)
    assert new(db, sha256=SHA).media_id == first.media_id
    assert new(db, "bob", sha256=SHA).media_id != first.media_id

    other = begun(db, sha256=SHA, size_bytes=11)

    assert [upload.media_id for upload in other.replaced] == [first.media_id]
    assert uploads.find(db, first.media_id) is None


def test_bytes_in_the_library_need_no_upload(db: Database) -> None:
    item = new_media(sha256=SHA, size_bytes=10)
    media.add(db, item)

    assert begun(db, sha256=SHA).media == item
    assert begun(db, sha256=SHA, size_bytes=11).media is None
    media.bin(db, "alice", [item.media_id], 1000)
    assert begun(db, sha256=SHA).media is None


def test_no_more_begin_than_may_even_at_once(db: Database) -> None:
    refused = []

    def begin() -> None:
        try:
            new(db)
        except ResourceLimitReached:
            refused.append(1)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 5
    assert begun(db, "bob").promised_bytes == 0
    with pytest.raises(ResourceLimitReached):
        new(db)


def test_two_who_begin_the_same_at_once_get_the_same(db: Database) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(new(db, sha256=SHA).media_id)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 4
    assert len(set(ids)) == 1


def test_one_receiver_at_a_time(db: Database) -> None:
    upload = new(db)
    mine = taken(db, upload)
    assert uploads.take(db, upload, LEASE_MS) is None
    assert uploads.take(db, found(db, upload), LEASE_MS) is None

    # When it lets go, another goes on where it was
    assert uploads.release(db, mine, [Part("a", 4)])
    now = found(db, upload)
    assert (now.offset, now.released) == (4, True)
    assert uploads.take(db, upload, LEASE_MS) is None
    assert taken(db, now).fence == mine.fence + 1


def test_a_receiver_whose_lease_is_over_changes_nothing_any_more(db: Database) -> None:
    frozen = taken(db, new(db), lease_ms=-1)
    other = taken(db, found(db, frozen))

    assert not uploads.keep(db, frozen, [Part("a", 10)], LEASE_MS)
    assert not uploads.release(db, frozen, [Part("a", 10)])
    assert not uploads.finish(db, frozen, new_media(media_id=frozen.media_id))
    assert not uploads.drop(db, frozen)
    assert uploads.keep(db, other, [Part("b", 5)], LEASE_MS)
    assert found(db, other).parts == (Part("b", 5),)


def test_who_was_there_meanwhile_is_noticed_even_if_nothing_was_kept(db: Database) -> None:
    # Given what somebody has read, and a receiver since then that kept nothing
    seen = new(db)
    taken(db, seen, lease_ms=-1)

    # Then the reader can't go on in a file in which that one may still write
    assert uploads.take(db, seen, LEASE_MS) is None
    assert not found(db, seen).released


def test_what_is_finished_is_an_item_and_counted(db: Database) -> None:
    mine = taken(db, new(db))

    assert uploads.finish(db, mine, new_media(media_id=mine.media_id, size_bytes=10))

    assert uploads.find(db, mine.media_id) is None
    assert usage.used_bytes(db, "alice") == 10
    assert not uploads.finish(db, mine, new_media(media_id=mine.media_id))


def test_what_is_expired_is_given_back_once(db: Database) -> None:
    old = taken(db, new(db, keep_ms=-1))
    young = new(db)
    uploads.keep(db, old, [Part("a", 4)], LEASE_MS)

    assert [upload.parts for upload in uploads.drop_expired(db, 10)] == [(Part("a", 4),)]
    assert uploads.drop_expired(db, 10) == []
    assert uploads.known(db, [old.media_id, young.media_id]) == {young.media_id}
