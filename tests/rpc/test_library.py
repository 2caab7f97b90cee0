"""The library through a real channel: lists, names, the bin, and what is gone for good."""

import time
import urllib.parse
from typing import Any

import pytest

from rushes.v1 import media_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House
from tests.rpc.requests import store_picture, video


def get(caller: Any, media_id: str, **fields: Any) -> media_pb2.Media:
    media: media_pb2.Media = caller.call(
        "GetMedia", pb.GetMediaRequest(media_id=media_id, **fields)
    ).media
    return media


def list_ids(caller: Any, **fields: Any) -> list[str]:
    answer = caller.call("ListMedia", pb.ListMediaRequest(**fields))
    return [media.media_id for media in answer.media]


def test_addresses_last_as_long_as_was_asked_for(house: House) -> None:
    alice = house.caller("alice")
    media_id = store_picture(alice)
    before = time.time()
    usual = get(alice, media_id)
    short = get(alice, media_id, url_ttl={"seconds": 60})
    long = get(alice, media_id, url_ttl={"seconds": 999_999})
    after = time.time()
    ends = [media.url_expire_time.seconds for media in (short, usual, long)]
    for end, asked, step in zip(ends, (60, 3600, 86_400), (15, 900, 3600), strict=True):
        assert before + asked <= end <= after + asked + step
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(short.url).query)
    assert query["expire_time"] == [str(ends[0])]


def test_a_list_goes_page_by_page_newest_first(house: House) -> None:
    alice = house.caller("alice")
    made = [store_picture(alice) for _ in range(3)]
    first = alice.call("ListMedia", pb.ListMediaRequest(page_size=2))
    second = alice.call("ListMedia", pb.ListMediaRequest(page_token=first.next_page_token))
    assert [media.media_id for media in (*first.media, *second.media)] == made[::-1]
    assert second.next_page_token == ""


def test_title_star_and_labels_can_be_changed_and_found(house: House) -> None:
    alice = house.caller("alice")
    media_id, other = store_picture(alice), store_picture(alice)
    request = pb.UpdateMediaRequest(media_id=media_id, title="Boat at dawn", starred=True)
    request.labels.update({"project": "p1", "view": "front"})
    alice.call("UpdateMedia", request)
    request = pb.UpdateMediaRequest(media_id=media_id, labels={"view": "", "node": "n"})
    media = alice.call("UpdateMedia", request).media
    assert (media.title, media.starred) == ("Boat at dawn", True)
    assert media.labels == {"project": "p1", "node": "n"}
    assert list_ids(alice, query="dawn BOAT") == [media_id]
    assert list_ids(alice, starred=True) == [media_id]
    assert list_ids(alice, labels=["project=p1", "node=n"]) == [media_id]
    assert list_ids(alice, labels=["view=front"]) == []
    assert list_ids(alice, query="100%") == []
    assert list_ids(alice) == [other, media_id]


def test_an_empty_title_can_be_given_and_an_absent_one_changes_nothing(house: House) -> None:
    alice = house.caller("alice")
    media_id = store_picture(alice)
    alice.call("UpdateMedia", pb.UpdateMediaRequest(media_id=media_id, title="x", starred=True))
    media = alice.call("UpdateMedia", pb.UpdateMediaRequest(media_id=media_id, title="")).media
    assert (media.title, media.starred) == ("", True)


def test_labels_are_limited_after_the_merge(house: House) -> None:
    alice = house.caller("alice")
    media_id = store_picture(alice)
    full = pb.UpdateMediaRequest(media_id=media_id, labels={f"k{i}": "v" for i in range(32)})
    alice.call("UpdateMedia", full)
    more = pb.UpdateMediaRequest(media_id=media_id, labels={"one-more": "v"})
    refusal = alice.refused("UpdateMedia", more)
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("labels",))
    more.labels["k0"] = ""
    assert len(alice.call("UpdateMedia", more).media.labels) == 32


def test_a_deleted_item_waits_in_the_bin_without_addresses(house: House) -> None:
    alice = house.caller("alice")
    media_id = store_picture(alice)
    binned = alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=media_id)).media
    assert binned.purge_time.seconds - binned.delete_time.seconds == 30 * 24 * 3600
    assert (binned.url, binned.thumbnail_url) == ("", "")
    assert not binned.HasField("url_expire_time")
    assert get(alice, media_id) == binned
    assert list_ids(alice) == []
    assert list_ids(alice, deleted=True) == [media_id]
    again = alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=media_id)).media
    assert again == binned
    back = alice.call("UndeleteMedia", pb.UndeleteMediaRequest(media_id=media_id)).media
    assert back.url
    assert not back.HasField("delete_time")
    assert list_ids(alice) == [media_id]
    same = alice.call("UndeleteMedia", pb.UndeleteMediaRequest(media_id=media_id)).media
    assert same.media_id == media_id


@pytest.mark.parametrize("binned_before", [False, True])
def test_a_permanent_delete_erases_the_bytes_at_once(house: House, binned_before: bool) -> None:
    alice = house.caller("alice")
    media_id, kept = store_picture(alice), store_picture(alice)
    if binned_before:
        alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=media_id))
    request = pb.DeleteMediaRequest(media_id=media_id, permanent=True)
    assert not alice.call("DeleteMedia", request).HasField("media")
    assert alice.refused("DeleteMedia", request).reason == "RESOURCE_NOT_FOUND"
    assert {path.name.split(".")[0] for path in house.blob_files()} == {kept}


def test_a_batch_is_deleted_in_its_order(house: House) -> None:
    alice = house.caller("alice")
    ids = [store_picture(alice) for _ in range(3)]
    wanted = [ids[2], ids[0], ids[2]]
    answer = alice.call("BatchDeleteMedia", pb.BatchDeleteMediaRequest(media_ids=wanted))
    assert [media.media_id for media in answer.media] == [ids[2], ids[0]]
    assert list_ids(alice) == [ids[1]]


def test_an_item_in_the_bin_is_no_input(house: House) -> None:
    alice = house.caller("alice")
    media_id, request = store_picture(alice), video()
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=media_id))
    request.spec.first_frame.media_id = media_id
    refusal = alice.refused("GenerateVideo", request)
    assert refusal.reason == "INPUT_MEDIA_INVALID"
    assert refusal.fields == ("spec.first_frame.media_id",)


def test_times_of_creation_bound_a_list(house: House) -> None:
    alice = house.caller("alice")
    media_id = store_picture(alice)
    created = get(alice, media_id).create_time
    assert list_ids(alice, create_time_from=created) == [media_id]
    assert list_ids(alice, create_time_until=created) == []
