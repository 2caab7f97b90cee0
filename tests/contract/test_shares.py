"""Shares: they end by time, by being revoked and with their item, and a user is told once."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from core.errors import NotFound, ResourceLimitReached
from core.ids import new_id
from core.media import MediaType
from core.notifications import Kind
from core.shares import LISTED_MS, Share
from core.store import Database, inbox, media, retention, share_calls, shares
from core.store.engine.sql import Statement
from core.store.share_calls import Shared
from tests.making import new_media

HOUR_MS = 3600 * 1000
MOST = 1000
LASTING = Statement("SELECT count(*) FROM share WHERE NOT ended")
ALL = Statement("SELECT count(*) FROM share")


def stored(db: Database, user_id: str = "alice", **fields: Any) -> str:
    item = new_media(user_id, **fields)
    media.add(db, item)
    return item.media_id


def shared(
    db: Database, media_id: str, user_id: str = "bob", *, most: int = MOST, **fields: Any
) -> Shared:
    values: dict[str, Any] = {
        "share_id": new_id(),
        "owner_user_id": "alice",
        "expire_time": db.now_ms() + HOUR_MS,
    }
    wanted = Share(media_id=media_id, user_id=user_id, **{**values, **fields})
    return share_calls.create(db, wanted, most)


def linked(db: Database, media_id: str, **fields: Any) -> Share:
    return shared(db, media_id, "", **fields).share


def own(db: Database, **fields: Any) -> list[str]:
    return [one.share_id for one in shares.page(db, "alice", limit=100, **fields)]


def seen(db: Database, user_id: str = "bob", **fields: Any) -> list[str]:
    return [one.media.media_id for one in shares.page_with(db, user_id, limit=100, **fields)]


def told(made: Shared) -> list[dict[str, Any]]:
    assert made.change is not None
    payload = json.loads(made.change.payload)
    return [one["notification"] for one in payload["notifications"]]


def counted(db: Database, statement: Statement) -> int:
    row = db.row(statement)
    assert row is not None
    return int(row[0])


def test_an_item_is_seen_by_the_user_it_is_shared_with_and_by_nobody_else(db: Database) -> None:
    item = stored(db)

    made = shared(db, item, message="look").share

    assert seen(db) == [item]
    assert seen(db, "alice") == seen(db, "carol") == []
    assert (own(db), shares.page(db, "bob", limit=10)) == ([made.share_id], [])
    assert (made.media_type, made.message, made.revoke_time) == (MediaType.VIDEO, "look", None)


def test_the_other_user_is_told_in_one_revision(db: Database) -> None:
    made = shared(db, stored(db, title="a boat"), message="look at this")

    assert made.change is not None
    assert (made.change.user_id, made.change.revision) == ("bob", 1)
    [one] = told(made)
    assert (one["kind"], one["text"], one["sender"]) == ("MEDIA_SHARED", "look at this", "alice")
    assert one["action"]["value"] == made.share.share_id


def test_the_same_user_again_gets_that_share_with_the_new_end_and_is_not_told(
    db: Database,
) -> None:
    item = stored(db)
    first = shared(db, item).share

    again = shared(db, item, expire_time=first.expire_time + 5, message="new", with_recipe=True)

    assert again.change is None
    assert again.share.share_id == first.share_id
    assert again.share.expire_time == first.expire_time + 5
    assert (again.share.message, again.share.with_recipe) == ("new", True)
    assert own(db) == [first.share_id]


def test_links_are_new_each_time_and_tell_nobody(db: Database) -> None:
    item = stored(db)
    made = [shared(db, item, "") for _ in range(2)]
    assert len({one.share.share_id for one in made}) == 2
    assert [one.change for one in made] == [None, None]


@pytest.mark.parametrize("owner", ["alice", "bob"])
def test_only_an_own_item_outside_the_bin_can_be_shared(db: Database, owner: str) -> None:
    item = stored(db, owner)
    if owner == "alice":
        media.bin(db, "alice", [item], HOUR_MS)

    with pytest.raises(NotFound) as refused:
        shared(db, item, "carol")

    assert [one.field for one in refused.value.violations] == ["media_id"]
    assert counted(db, ALL) == 0
    assert seen(db, "carol") == []


def test_so_many_last_and_a_renewal_needs_no_more_room(db: Database) -> None:
    item = stored(db)
    shared(db, item, "bob", most=2)
    first = linked(db, item, most=2)

    with pytest.raises(ResourceLimitReached):
        linked(db, item, most=2)
    shared(db, item, "bob", most=2)
    shares.revoke(db, "alice", first.share_id)
    linked(db, item, most=2)

    assert counted(db, LASTING) == 2


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_the_owner_and_the_other_user_may_revoke(db: Database, who: str) -> None:
    item = stored(db)
    made = shared(db, item).share

    first, again = (shares.revoke(db, who, made.share_id) for _ in range(2))

    assert first.revoke_time is not None
    assert again.revoke_time == first.revoke_time
    assert (seen(db), own(db), own(db, with_ended=True)) == ([], [], [made.share_id])


@pytest.mark.parametrize("who", ["carol", "bob"])
def test_a_stranger_cannot_revoke(db: Database, who: str) -> None:
    made = linked(db, stored(db))
    with pytest.raises(NotFound):
        shares.revoke(db, who, made.share_id)
    assert shares.find_link(db, made.share_id) is not None


def test_after_it_was_revoked_a_new_share_is_told_again(db: Database) -> None:
    item = stored(db)
    first = shared(db, item)
    shares.revoke(db, "bob", first.share.share_id)

    second = shared(db, item)

    assert second.share.share_id != first.share.share_id
    assert len(told(second)) == 1
    assert seen(db) == [item]


def test_the_bin_ends_every_share_of_an_item_and_taking_it_out_revives_none(db: Database) -> None:
    item, other = stored(db), stored(db)
    made, link, kept = shared(db, item).share, linked(db, item), linked(db, other)

    media.bin(db, "alice", [item], HOUR_MS)
    media.unbin(db, "alice", item)

    assert seen(db) == []
    assert own(db) == [kept.share_id]
    assert shares.find_link(db, link.share_id) is None
    ended = {one.share_id: one for one in shares.page(db, "alice", with_ended=True, limit=9)}
    assert ended[made.share_id].revoke_time is not None
    assert ended[link.share_id].revoke_time is not None


def test_an_end_by_time_needs_no_housekeeping(db: Database) -> None:
    item = stored(db)
    past = db.now_ms() - 1
    made, link = shared(db, item, expire_time=past).share, linked(db, item, expire_time=past)

    assert (seen(db), own(db)) == ([], [])
    assert sorted(own(db, with_ended=True)) == sorted([made.share_id, link.share_id])
    found = shares.find_link(db, link.share_id)
    assert found is not None
    assert found.lasts is False
    # And to revoke it changes nothing
    assert shares.revoke(db, "alice", link.share_id).revoke_time is None


def test_housekeeping_marks_what_has_ended_and_forgets_it_after_30_days(db: Database) -> None:
    item = stored(db)
    now = db.now_ms()
    lasting = linked(db, item)
    recent = linked(db, item, expire_time=now - HOUR_MS)
    linked(db, item, expire_time=now - LISTED_MS - 1)

    retention.forget(db, keep_ms=HOUR_MS)
    retention.forget(db, keep_ms=HOUR_MS)

    assert counted(db, ALL) == 2
    assert counted(db, LASTING) == 1
    assert own(db) == [lasting.share_id]
    assert sorted(own(db, with_ended=True)) == sorted([lasting.share_id, recent.share_id])


def test_lists_go_on_after_a_share_newest_first(db: Database) -> None:
    items = [stored(db, type=kind) for kind in (MediaType.IMAGE, MediaType.VIDEO) * 3]
    made = [shared(db, item).share for item in items]
    newest = sorted(made, key=lambda one: (one.create_time, one.share_id), reverse=True)

    first = shares.page(db, "alice", limit=4)
    position = (first[-1].create_time, first[-1].share_id)
    rest = shares.page(db, "alice", after=position, limit=4)
    assert [one.share_id for one in first + rest] == [one.share_id for one in newest]

    with_bob = shares.page_with(db, "bob", after=position, limit=9)
    assert [one.share.share_id for one in with_bob] == [one.share_id for one in newest[4:]]
    images = shares.page_with(db, "bob", type=MediaType.IMAGE, limit=9)
    assert {one.media.media_id for one in images} == set(items[::2])
    assert own(db, media_id=items[0]) == own(db, media_id=items[0], with_ended=True)
    assert own(db, media_id=items[0]) == [made[0].share_id]


def test_a_user_who_wants_no_word_of_it_gets_none(db: Database) -> None:
    shared(db, stored(db))
    kinds = tuple(kind for kind in Kind if kind is not Kind.MEDIA_SHARED)
    inbox.change_settings(db, "bob", lambda settings: replace(settings, kinds=kinds))

    made = shared(db, stored(db))

    assert made.change is None
    assert len(seen(db)) == 2


def test_two_users_who_share_with_each_other_at_once_never_wait_for_each_other(
    db: Database,
) -> None:
    items = {user: stored(db, user) for user in ("alice", "bob")}
    others = {"alice": "bob", "bob": "alice"}

    def share(user: str) -> Share:
        return shared(db, items[user], others[user], owner_user_id=user).share

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(share, ["alice", "bob"] * 8))

    # Then each has one share, however often it was asked for
    assert len({one.share_id for one in made}) == 2


def test_no_share_survives_the_bin_whoever_comes_first(db: Database) -> None:
    for _ in range(8):
        item = stored(db)
        with ThreadPoolExecutor(2) as pool:
            deleting = pool.submit(media.bin, db, "alice", [item], HOUR_MS)
            sharing = pool.submit(shared, db, item)
            deleting.result()
            if (error := sharing.exception()) is not None:
                assert isinstance(error, NotFound)
    assert seen(db) == []
    assert counted(db, LASTING) == 0
