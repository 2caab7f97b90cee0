"""Signed addresses through the edge."""

import hashlib
import io

import pytest
from PIL import Image

from rushes import Client, Media
from tests.e2e.rest import Rest, reason

THUMBNAIL_SIDE = 320


def test_the_whole_file_is_what_the_item_says(rest: Rest, video: Media) -> None:
    answer = rest.media(video.url)

    assert answer.status == 200
    assert answer.headers["content-type"] == video.mime_type == "video/mp4"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"
    assert len(answer.body) == video.size_bytes
    assert hashlib.sha256(answer.body).hexdigest() == video.sha256


def test_a_range_is_the_part_that_was_asked_for(rest: Rest, image: Media) -> None:
    whole = rest.media(image.url).body
    size = len(whole)

    middle = rest.media(image.url, range="bytes=10-19")
    tail = rest.media(image.url, range="bytes=-5")
    outside = rest.media(image.url, range=f"bytes={size}-")

    assert (middle.status, middle.body) == (206, whole[10:20])
    assert middle.headers["content-range"] == f"bytes 10-19/{size}"
    assert (tail.status, tail.body) == (206, whole[-5:])
    assert (outside.status, reason(outside.json)) == (416, "FIELD_INVALID")


def test_head_names_the_size_and_sends_nothing(rest: Rest, image: Media) -> None:
    answer = rest.media(image.url, method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(image.size_bytes)
    assert answer.headers["content-type"] == "image/png"


def test_a_known_etag_saves_the_bytes(rest: Rest, image: Media) -> None:
    etag = rest.media(image.url).headers["etag"]

    answer = rest.media(image.url, if_none_match=etag)

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag


def test_a_browser_saves_the_file_when_the_address_says_so(rest: Rest, video: Media) -> None:
    name = f'filename="{video.media_id}.mp4"'

    shown, saved = rest.media(video.url), rest.media(f"{video.url}&download=1")

    assert shown.headers["content-disposition"] == f"inline; {name}"
    assert saved.headers["content-disposition"] == f"attachment; {name}"
    assert saved.body == shown.body


@pytest.mark.parametrize("changed", ["signature=A", "expire_time=9"])
def test_a_changed_address_is_refused(rest: Rest, image: Media, changed: str) -> None:
    name = changed.partition("=")[0]
    answer = rest.media(image.url.replace(f"{name}=", changed))

    assert answer.status == 403
    assert reason(answer.json) == "CREDENTIALS_INVALID"


def test_the_address_of_one_item_opens_no_other(rest: Rest, image: Media, video: Media) -> None:
    answer = rest.media(image.url.replace(image.media_id, video.media_id))

    assert answer.status == 403


def test_an_item_in_the_bin_is_not_served_until_it_is_out(
    rest: Rest, client: Client, image: Media
) -> None:
    addresses = (image.url, image.thumbnail_url)

    client.delete_media(image.media_id)
    binned = [rest.media(url) for url in addresses]
    client.undelete_media(image.media_id)
    restored = [rest.media(url).status for url in addresses]
    client.delete_media(image.media_id, permanent=True)
    erased = [rest.media(url).status for url in addresses]

    assert [answer.status for answer in binned] == [404, 404]
    assert {reason(answer.json) for answer in binned} == {"RESOURCE_NOT_FOUND"}
    assert restored == [200, 200]
    assert erased == [404, 404]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_thumbnail_is_a_small_webp(rest: Rest, kind: str, request: pytest.FixtureRequest) -> None:
    media: Media = request.getfixturevalue(kind)

    answer = rest.media(media.thumbnail_url)

    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.body)) as picture:
        assert picture.format == "WEBP"
        assert max(picture.size) <= THUMBNAIL_SIDE
        ratio = picture.width / picture.height
    assert ratio == pytest.approx(media.width / media.height, rel=0.02)
