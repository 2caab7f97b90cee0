"""ShareService, and what those see who have a share: a user, or whoever has a link."""

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode as Code

from core.ids import new_id
from core.store import media
from rushes.v1 import media_pb2, notification_pb2
from rushes.v1 import media_service_pb2 as media_pb
from rushes.v1 import notification_service_pb2 as notification_pb
from rushes.v1 import share_service_pb2 as pb
from tests.house import House, LoopThread, close_house, open_house
from tests.http_process import HttpProcess, http_process
from tests.making import new_media
from tests.rpc.requests import png, store_picture
from tests.rpc.watching import Watch
from tests.services import Valkey, wait_for

DAY = 24 * 3600


def film(house: House, user_id: str = "alice", **fields: Any) -> str:
    """The id of a video in the user's library."""
    item = new_media(user_id, **fields)
    media.add(house.db, item)
    return item.media_id


def share(house: House, media_id: str, user_id: str = "bob", **fields: Any) -> pb.Share:
    request = pb.CreateShareRequest(media_id=media_id, user_id=user_id, **fields)
    made: pb.Share = house.caller("alice").call("CreateShare", request).share
    return made


def link(house: House, media_id: str, **fields: Any) -> pb.Share:
    request = pb.CreateShareRequest(media_id=media_id, link=True, **fields)
    made: pb.Share = house.caller("alice").call("CreateShare", request).share
    return made


def own(house: House, **fields: Any) -> pb.ListSharesResponse:
    request = pb.ListSharesRequest(**fields)
    answer: pb.ListSharesResponse = house.caller("alice").call("ListShares", request)
    return answer


def seen(house: House, user_id: str = "bob", **fields: Any) -> pb.ListSharedMediaResponse:
    request = pb.ListSharedMediaRequest(**fields)
    answer: pb.ListSharedMediaResponse = house.caller(user_id).call("ListSharedMedia", request)
    return answer


def revoke(house: House, share_id: str, user_id: str = "alice") -> pb.Share:
    request = pb.RevokeShareRequest(share_id=share_id)
    ended: pb.Share = house.caller(user_id).call("RevokeShare", request).share
    return ended


def seconds_from_now(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(time.time() + seconds))


def expires(url: str) -> int:
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    return int(query["expire_time"][0])


def test_an_item_is_shared_with_a_user_without_what_is_its_owner_s_business(house: House) -> None:
    item = film(
        house,
        **{"title": "a boat", "prompt": "a boat at dawn", "revised_prompt": "a red boat"},
        **{"seed": 7, "labels": {"project": "p1"}, "starred": True, "cost_micros": 5},
        **{"job_id": new_id(), "model": "builtin-video", "provider": "builtin"},
    )
    made = share(house, item, message="look\nat this")

    [one] = seen(house).shared_media
    shown = one.media
    assert (shown.media_id, shown.title, shown.user_id) == (item, "a boat", "alice")
    assert (shown.prompt, shown.revised_prompt, shown.job_id) == ("", "", "")
    assert (shown.HasField("seed"), dict(shown.labels), shown.starred) == (False, {}, False)
    assert not shown.HasField("cost")
    assert not one.HasField("recipe")
    assert one.share == made
    assert (made.owner_user_id, made.user_id, made.message) == ("alice", "bob", "look\nat this")
    assert (made.link_url, made.page_url) == ("", "")


def test_with_its_recipe_the_prompts_and_the_seed_are_shown(house: House) -> None:
    words = {"prompt": "a boat at dawn", "revised_prompt": "a red boat", "seed": 7}
    item = film(house, job_id=new_id(), model="builtin-video", **words)
    share(house, item, with_recipe=True)

    [one] = seen(house).shared_media
    assert (one.media.prompt, one.media.revised_prompt, one.media.seed) == tuple(words.values())
    assert one.recipe.media_id == item
    assert (one.recipe.video.prompt, one.recipe.video.seed) == ("a boat at dawn", 7)
    assert (one.media.job_id, one.share.with_recipe) == ("", True)


def test_an_item_that_was_uploaded_has_no_recipe(house: House) -> None:
    share(house, film(house), with_recipe=True)
    assert not seen(house).shared_media[0].HasField("recipe")


def test_the_other_user_is_told_live_and_can_look_and_revoke(house: House) -> None:
    # Given bob's watch
    include = [media_pb.WatchJobsRequest.NOTIFICATIONS]
    watch = Watch(house, user_id="bob", include=include)
    watch.until("synced")

    # When alice shares an item, twice
    item = film(house)
    made = share(house, item, message="look")
    again = share(house, item, message="look again")

    # Then bob is told once, with the share
    wait_for(lambda: any(event.notifications for event in watch.events), "the notification")
    [told] = [one.notification for event in watch.events for one in event.notifications]
    assert told.kind == notification_pb2.Notification.MEDIA_SHARED
    assert (told.text, told.sender) == ("look", "alice")
    assert told.action.share_id == made.share_id == again.share_id
    watch.close()

    # And bob may end it, who sees no addresses of it
    ended = revoke(house, made.share_id, "bob")
    assert ended.HasField("revoke_time")
    assert len(seen(house).shared_media) == 0
    assert own(house).shares == []
    assert revoke(house, made.share_id) == ended


def test_the_usual_end_is_in_30_days_and_the_latest_in_366(house: House) -> None:
    item = film(house)
    made = share(house, item)
    assert abs(made.expire_time.seconds - time.time() - 30 * DAY) < 60
    assert share(house, item, expire_time=seconds_from_now(365 * DAY)).share_id == made.share_id
    assert abs(own(house).shares[0].expire_time.seconds - time.time() - 365 * DAY) < 60

    alice = house.caller("alice")
    for end in (seconds_from_now(367 * DAY), seconds_from_now(-5), Timestamp(seconds=-1)):
        request = pb.CreateShareRequest(media_id=item, user_id="bob", expire_time=end)
        refusal = alice.refused("CreateShare", request)
        assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, ("expire_time",))


WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no recipient": ({}, ("recipient",)),
    "nobody": ({"user_id": ""}, ("user_id",)),
    "oneself": ({"user_id": "alice"}, ("user_id",)),
    "a user with a line break": ({"user_id": "bob\n"}, ("user_id",)),
    "no link": ({"link": False}, ("link",)),
    "a link with words": ({"link": True, "message": "look"}, ("message",)),
    "a link with the recipe": ({"link": True, "with_recipe": True}, ("with_recipe",)),
    "long words": ({"user_id": "bob", "message": "x" * 501}, ("message",)),
    "an escape": ({"user_id": "bob", "message": "\x1b[2J"}, ("message",)),
    "no item": ({"user_id": "bob", "media_id": ""}, ("media_id",)),
    "no id": ({"user_id": "bob", "media_id": "x"}, ("media_id",)),
}


@pytest.mark.parametrize(("wrong", "fields"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    house: House, wrong: dict[str, Any], fields: tuple[str, ...]
) -> None:
    request = pb.CreateShareRequest(**{"media_id": film(house), **wrong})
    refusal = house.caller("alice").refused("CreateShare", request)
    assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, fields)
    assert own(house, ended=True).shares == []


def test_items_of_others_and_of_the_bin_are_not_there(house: House) -> None:
    alice, binned = house.caller("alice"), film(house)
    alice.call("DeleteMedia", media_pb.DeleteMediaRequest(media_id=binned))
    for media_id in (binned, film(house, "carol"), new_id()):
        request = pb.CreateShareRequest(media_id=media_id, user_id="bob")
        refusal = alice.refused("CreateShare", request)
        assert (refusal.code, refusal.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
        assert refusal.fields == ("media_id",)


def test_only_the_owner_and_the_other_user_may_revoke(house: House) -> None:
    made = share(house, film(house))
    for share_id in (made.share_id, new_id()):
        request = pb.RevokeShareRequest(share_id=share_id)
        refusal = house.caller("carol").refused("RevokeShare", request)
        assert (refusal.code, refusal.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
    refusal = house.caller("alice").refused("RevokeShare", pb.RevokeShareRequest(share_id="x"))
    assert refusal.fields == ("share_id",)
    assert len(seen(house).shared_media) == 1


@pytest.mark.parametrize("permanent", [False, True])
def test_a_deletion_ends_shares(house: House, permanent: bool) -> None:
    item = film(house)
    made = [share(house, item), link(house, item)]

    request = media_pb.DeleteMediaRequest(media_id=item, permanent=permanent)
    house.caller("alice").call("DeleteMedia", request)

    assert len(seen(house).shared_media) == 0
    assert own(house).shares == []
    ended = {one.share_id: one for one in own(house, ended=True).shares}
    assert ended.keys() == {one.share_id for one in made}
    assert all(one.HasField("revoke_time") for one in ended.values())


def test_lists_go_page_by_page_newest_first(house: House) -> None:
    items = [film(house) for _ in range(3)]
    made = [share(house, item).share_id for item in items]

    first = own(house, page_size=2)
    second = own(house, page_size=2, page_token=first.next_page_token)
    assert [one.share_id for one in (*first.shares, *second.shares)] == made[::-1]
    assert second.next_page_token == ""
    assert [one.share_id for one in own(house, media_id=items[1]).shares] == [made[1]]

    top = seen(house, page_size=2)
    rest = seen(house, page_size=2, page_token=top.next_page_token)
    shown = [one.media.media_id for one in (*top.shared_media, *rest.shared_media)]
    assert shown == items[::-1]
    assert len(seen(house, type=media_pb2.Media.IMAGE).shared_media) == 0
    assert len(seen(house, type=media_pb2.Media.VIDEO).shared_media) == 3

    # A token of another list is refused, and a size below zero
    alice = house.caller("alice")
    wrong = pb.ListSharesRequest(page_token=first.next_page_token, ended=True)
    assert alice.refused("ListShares", wrong).reason == "PAGE_TOKEN_INVALID"
    for method, request in (
        ("ListShares", pb.ListSharesRequest(page_size=-1)),
        ("ListSharedMedia", pb.ListSharedMediaRequest(page_size=-1)),
    ):
        assert alice.refused(method, request).fields == ("page_size",)


def test_addresses_last_as_asked_and_never_beyond_the_share(house: House) -> None:
    item = film(house)
    share(house, item)
    for asked, seconds in ((None, 3600), (60, 60), (999_999, DAY)):
        fields = {} if asked is None else {"url_ttl": Duration(seconds=asked)}
        end = expires(seen(house, **fields).shared_media[0].media.url)
        assert time.time() + seconds <= end + 1 <= time.time() + seconds * 1.3 + 60
    soon = seconds_from_now(100)
    share(house, item, expire_time=soon)
    assert expires(seen(house).shared_media[0].media.url) == soon.seconds


def test_so_many_shares_of_a_user_last(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    house = open_house(house_loop, tmp_path, valkey.url, max_shares=2)
    item = film(house)
    kept = [link(house, item), share(house, item)]
    request = pb.CreateShareRequest(media_id=item, link=True)
    refusal = house.caller("alice").refused("CreateShare", request)
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "RESOURCE_LIMIT_REACHED")
    assert refusal.metadata == {"resource": "share", "limit": "2"}
    revoke(house, kept[0].share_id)
    link(house, item)
    close_house(house_loop, house)


def test_an_operator_can_allow_no_links(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    house = open_house(house_loop, tmp_path, valkey.url, share_links=False)
    item = film(house)
    request = pb.CreateShareRequest(media_id=item, link=True)
    refusal = house.caller("alice").refused("CreateShare", request)
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "FEATURE_DISABLED")
    assert share(house, item).user_id == "bob"
    close_house(house_loop, house)


def test_a_message_of_another_service_can_lead_to_a_share(house: House) -> None:
    made = share(house, film(house))
    scope = "notifications.write"
    service = house.caller_with(f"Bearer {house.token('billing', scope=scope)}")
    for user_id, fits in (("alice", True), ("bob", True), ("carol", False)):
        request = notification_pb.CreateNotificationRequest(
            user_id=user_id, title="Look", action={"label": "Open", "share_id": made.share_id}
        )
        if fits:
            service.call("CreateNotification", request)
        else:
            assert service.refused("CreateNotification", request).fields == ("action.share_id",)


@pytest.fixture
def site(house: House) -> Iterator[HttpProcess]:
    """The HTTP process on the house's data."""
    with http_process(house.settings.data_dir, "127.0.0.1:1") as running:
        yield running


def fetch(site: HttpProcess, url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """What the HTTP process answers at the path of an address."""
    parts = urllib.parse.urlsplit(url)
    address = f"http://127.0.0.1:{site.port}{parts.path}?{parts.query}"
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_a_link_shows_its_item_to_whoever_has_it_until_it_is_revoked(
    house: House, site: HttpProcess
) -> None:
    # Given a link to a picture
    item = store_picture(house.caller("alice"))
    made = link(house, item)
    assert made.link_url.startswith(house.settings.address)

    # Then anybody gets the bytes, a range of them, and the page
    status, headers, content = fetch(site, made.link_url)
    assert (status, headers["content-type"], content) == (200, "image/png", png())
    status, _, part = fetch(site, made.link_url, Range="bytes=1-3")
    assert (status, part) == (206, b"PNG")
    status, headers, page = fetch(site, made.page_url)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"og:image" in page

    # And nobody but the owner sees the addresses again
    assert own(house).shares[0] == made

    # When the owner revokes it, then it is gone at once, and the page says nothing of it
    ended = revoke(house, made.share_id)
    assert (ended.link_url, ended.page_url) == ("", "")
    assert fetch(site, made.link_url)[0] == 404
    status, _, page = fetch(site, made.page_url)
    assert status == 404
    assert made.media_id.encode() not in page


def test_a_link_ends_by_time_and_with_its_item(house: House, site: HttpProcess) -> None:
    item = store_picture(house.caller("alice"))
    soon = link(house, item, expire_time=seconds_from_now(2))
    binned = link(house, item)

    wait_for(lambda: fetch(site, soon.link_url)[0] == 403, "the end of the link")
    assert fetch(site, soon.page_url)[0] == 404
    assert fetch(site, binned.link_url)[0] == 200
    request = media_pb.DeleteMediaRequest(media_id=item)
    house.caller("alice").call("DeleteMedia", request)
    assert fetch(site, binned.link_url)[0] == fetch(site, binned.page_url)[0] == 404

    # And an item that comes back stays hidden
    undelete = media_pb.UndeleteMediaRequest(media_id=item)
    house.caller("alice").call("UndeleteMedia", undelete)
    assert fetch(site, binned.link_url)[0] == 404


def test_an_address_that_was_changed_opens_nothing(house: House, site: HttpProcess) -> None:
    item = store_picture(house.caller("alice"))
    made, other = link(house, item), link(house, item)
    changed = {
        "another share": made.link_url.replace(made.share_id, other.share_id),
        "a later end": made.link_url.replace("expire_time=", "expire_time=9"),
        "no signature": made.link_url.partition("&signature=")[0],
        "an item": made.link_url.replace(f"/shares/{made.share_id}", f"/media/{item}"),
        "an upload": made.link_url.replace("/shares/", "/uploads/"),
    }
    # A share with a user has no address, also not one that is made of a link's
    with_bob = share(house, item)
    changed["a share with a user"] = made.link_url.replace(made.share_id, with_bob.share_id)
    for what, url in changed.items():
        assert fetch(site, url)[0] in (403, 404, 405), what
    pages = [url.replace("/content", "") for url in changed.values() if "/shares/" in url]
    answers = {fetch(site, url)[::2] for url in pages}
    assert len(answers) == 1
    assert {status for status, _ in answers} == {404}
