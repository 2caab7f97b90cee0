"""Each line of CreateUpload's comment: begun by a call, sent to a signed address, then an item."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from core import decoding
from core.ids import new_id
from core.store import uploads
from core.uploads import Upload
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.fakes.films import film
from tests.house import House, LoopThread, close_house, open_house
from tests.rpc.requests import bomb, noisy, png, video
from tests.rpc.sending import Harbour, as_json, harbour_of
from tests.services import Valkey, wait_for

Code = grpc.StatusCode
MIB = 1024 * 1024


@pytest.fixture
def harbour(house: House) -> Iterator[Harbour]:
    with harbour_of(house) as opened:
        yield opened
    decoding.close()


@contextmanager
def harbour_with(loop: LoopThread, folder: Path, redis: str, **options: Any) -> Iterator[Harbour]:
    house = open_house(loop, folder, redis, **options)
    with harbour_of(house) as opened:
        yield opened
    close_house(loop, house)
    decoding.close()


def find(harbour: Harbour, media_id: str) -> Upload:
    upload = uploads.find(harbour.house.db, media_id)
    assert upload is not None
    return upload


def run_sql(harbour: Harbour, sql: str) -> None:
    db = harbour.house.db
    with db.peewee.connection_context():
        db.peewee.execute_sql(sql)


def test_a_picture_that_is_sent_whole_is_in_the_library(harbour: Harbour) -> None:
    data = png(400, 300)
    begun = harbour.begin(data, mime_type="image/png")
    assert begun.expire_time.seconds > 0

    answer = harbour.put(begun.upload_url, data)

    item = as_json(answer)
    assert (answer.status, item["mediaId"]) == (201, begun.media_id)
    assert (item["type"], item["mimeType"], item["sizeBytes"]) == (
        "IMAGE",
        "image/png",
        str(len(data)),
    )
    assert item["sha256"] == hashlib.sha256(data).hexdigest()
    found = harbour.item(begun.media_id)
    assert (found.width, found.height, found.job_id) == (400, 300, "")
    assert harbour.bytes_of(begun.media_id) == data
    assert harbour.ask("GET", found.thumbnail_url).body[8:12] == b"WEBP"
    # Nothing of the upload is left
    assert harbour.part_files() == []
    assert harbour.count_uploads() == 0


def test_the_same_again_is_answered_with_the_item(harbour: Harbour) -> None:
    data = png()
    begun = harbour.begin(data)
    first = harbour.put(begun.upload_url, data)

    again = harbour.put(begun.upload_url, data)

    assert (first.status, again.status) == (201, 200)
    assert as_json(again)["mediaId"] == begun.media_id
    assert harbour.offset(begun.upload_url) == len(data)


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "libx264"), ("webm", "libvpx")])
def test_a_video_has_its_sides_its_duration_and_a_poster(
    harbour: Harbour, tmp_path: Path, kind: str, codec: str
) -> None:
    data = film(tmp_path / "film", kind, codec).read_bytes()
    begun = harbour.begin(data)

    assert harbour.put(begun.upload_url, data).status == 201

    item = harbour.item(begun.media_id)
    assert (item.mime_type, item.width, item.height) == (f"video/{kind}", 640, 360)
    assert item.duration.ToMilliseconds() == 2000
    assert harbour.ask("GET", item.thumbnail_url).status == 200


def test_an_uploaded_picture_is_an_input(harbour: Harbour) -> None:
    data = png()
    begun = harbour.begin(data)
    request = video()
    request.spec.first_frame.media_id = begun.media_id
    alice = harbour.house.caller("alice")

    # It is nowhere until the bytes are in
    assert alice.refused("GenerateVideo", request).code == Code.NOT_FOUND
    assert alice.refused("GetMedia", pb.GetMediaRequest(media_id=begun.media_id)).code == (
        Code.NOT_FOUND
    )
    harbour.put(begun.upload_url, data)
    assert alice.call("GenerateVideo", request).job.video.first_frame.media_id == begun.media_id


def test_parts_come_one_after_another(harbour: Harbour) -> None:
    data = noisy()
    address = harbour.begin(data).upload_url
    third = len(data) // 3

    assert harbour.offset(address) == 0
    first = harbour.part(address, data, 0, third)
    assert (first.status, first.headers["Upload-Offset"]) == (202, str(third))
    assert harbour.offset(address) == third
    assert harbour.part(address, data, third, 2 * third).status == 202
    last = harbour.part(address, data, 2 * third, len(data))

    assert last.status == 201
    assert harbour.bytes_of(as_json(last)["mediaId"]) == data
    assert harbour.part_files() == []


def test_after_a_cut_it_goes_on_where_it_was(harbour: Harbour) -> None:
    data = noisy()
    begun = harbour.begin(data)

    with harbour.sending(begun.upload_url, data[: len(data) // 2], len(data)):
        wait_for(lambda: not find(harbour, begun.media_id).released, "a receiver")
    wait_for(lambda: find(harbour, begun.media_id).released, "what had come is kept")

    # Then CreateUpload with the same checksum names the same upload
    again = harbour.begin(data)
    assert again.media_id == begun.media_id
    offset = harbour.offset(again.upload_url)
    assert 0 < offset <= len(data) // 2
    assert harbour.part(again.upload_url, data, offset, len(data)).status == 201
    assert harbour.bytes_of(begun.media_id) == data


def test_a_part_that_does_not_begin_at_the_offset_is_refused(harbour: Harbour) -> None:
    data = noisy()
    address = harbour.begin(data).upload_url
    harbour.part(address, data, 0, 1000)

    for answer in (
        harbour.part(address, data, 0, 1000),
        harbour.part(address, data, 1001, 2000),
        harbour.put(address, data),
    ):
        assert (answer.status, answer.reason) == (409, "UPLOAD_INCOMPLETE")
        assert answer.headers["Upload-Offset"] == "1000"
        assert as_json(answer)["details"][0]["metadata"] == {"received_bytes": "1000"}
    assert harbour.offset(address) == 1000


def test_another_sender_waits_while_one_sends(harbour: Harbour) -> None:
    data = noisy()
    begun = harbour.begin(data)

    with harbour.sending(begun.upload_url, data[:1000], len(data)):
        wait_for(lambda: not find(harbour, begun.media_id).released, "a receiver")
        answer = harbour.put(begun.upload_url, data)
        assert (answer.status, answer.reason) == (409, "UPLOAD_INCOMPLETE")


@pytest.mark.parametrize(
    "header",
    [
        "bytes 0-9",
        "bytes 9-0/{size}",
        "bytes 0-{size}/{size}",
        "bytes 0-9/11",
        "bytes 0-9/*",
        "items 0-9/{size}",
        "bytes 0-98/{size}",
        "bytes 0-" + "9" * 40 + "/{size}",
        "nonsense",
    ],
)
def test_a_damaged_range_is_refused(harbour: Harbour, header: str) -> None:
    data = png()
    address = harbour.begin(data).upload_url

    answer = harbour.put(address, data[:10], Content_Range=header.format(size=len(data)))

    assert (answer.status, answer.reason) == (416, "FIELD_INVALID")
    assert harbour.offset(address) == 0


def test_other_bytes_than_were_named_are_refused_and_forgotten(harbour: Harbour) -> None:
    data = png()
    other = png(colour="red")
    cases = [
        (harbour.begin(data), other[:-1] + b"x" * (len(data) - len(other) + 1), "sha256"),
        (harbour.begin(data + b"more"), data, "size_bytes"),
        (harbour.begin(data[:-1]), data, "size_bytes"),
    ]
    for begun, body, field in cases:
        answer = harbour.put(begun.upload_url, body)

        assert (answer.status, answer.reason) == (400, "UPLOAD_MISMATCH")
        assert as_json(answer)["details"][0]["metadata"]["field"] == field
        # Only a new CreateUpload begins again
        gone = harbour.ask("HEAD", begun.upload_url)
        assert (gone.status, gone.body) == (404, b"")
        assert harbour.put(begun.upload_url, data).reason == "RESOURCE_NOT_FOUND"
    assert (harbour.part_files(), harbour.count_uploads()) == ([], 0)


def test_a_body_that_never_says_its_size_is_measured(harbour: Harbour) -> None:
    data = png()
    for body, status in ((data, 201), (data + b"x", 400), (data[:-1], 400)):
        begun = harbour.begin(data, user_id=new_id())
        assert harbour.put(begun.upload_url, iter([body[:50], body[50:]])).status == status


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"PK\x03\x04" + b"\0" * 100,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"\x00\x00\x00\x18ftypisom" + b"\0" * 100,
        bomb(),
        png(6000, 5000),
    ],
    ids=["gif", "svg", "zip", "cut png", "cut mp4", "bomb", "too many pixels"],
)
def test_what_is_no_image_or_video_is_refused(harbour: Harbour, data: bytes) -> None:
    begun = harbour.begin(data)

    answer = harbour.put(begun.upload_url, data)

    assert (answer.status, answer.reason) == (400, "INPUT_MEDIA_INVALID")
    assert harbour.ask("HEAD", begun.upload_url).status == 404
    assert (harbour.house.blob_files(), harbour.count_uploads()) == ([], 0)


def test_a_type_is_refused_before_the_rest_is_sent(harbour: Harbour) -> None:
    begun = harbour.begin(b"x", size_bytes=100 * MIB, sha256="")

    with harbour.sending(begun.upload_url, b"GIF89a" + b"\0" * 100, 100 * MIB) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_signed_address_is_needed(harbour: Harbour) -> None:
    data = png()
    mine, others = harbour.begin(data), harbour.begin(data, user_id="bob")
    assert mine.media_id != others.media_id
    changed = mine.upload_url.replace(mine.media_id, others.media_id)
    signer = harbour.house.app._parts().signer

    for address, status, why in (
        (changed, 403, "CREDENTIALS_INVALID"),
        (mine.upload_url[:-1], 403, "CREDENTIALS_INVALID"),
        (mine.upload_url.partition("?")[0], 403, "CREDENTIALS_INVALID"),
        (signer.upload_url(mine.media_id, 1), 403, "CREDENTIALS_EXPIRED"),
        (signer.upload_url(new_id(), 2**35), 404, "RESOURCE_NOT_FOUND"),
    ):
        answer = harbour.put(address, data)
        assert (answer.status, answer.reason) == (status, why)
    # An address to read does not write, and the other way round
    harbour.put(mine.upload_url, data)
    read = harbour.item(mine.media_id).url
    assert (
        harbour.put(read.replace("/media/", "/uploads/").replace("/content", ""), b"").status == 403
    )
    write = mine.upload_url.replace("/uploads/", "/media/").replace("?", "/content?")
    assert harbour.ask("GET", write).status == 403


def test_bytes_that_the_caller_has_are_not_sent_again(harbour: Harbour) -> None:
    data = png()
    first = harbour.begin(data)
    harbour.put(first.upload_url, data)

    again = harbour.begin(data)
    assert (again.media_id, again.upload_url) == (first.media_id, "")
    assert not again.HasField("expire_time")
    # What others have is nobody's business
    assert harbour.begin(data, user_id="bob").upload_url
    # And what is in the bin is not in the library
    delete = pb.DeleteMediaRequest(media_id=first.media_id)
    harbour.house.caller("alice").call("DeleteMedia", delete)
    assert harbour.begin(data).upload_url


def test_without_a_checksum_nothing_is_deduplicated(harbour: Harbour) -> None:
    data = png()
    first, second = harbour.begin(data, sha256=""), harbour.begin(data, sha256="")
    assert first.media_id != second.media_id

    assert harbour.put(first.upload_url, data).status == 201
    assert harbour.put(second.upload_url, data).status == 201
    assert harbour.begin(data, sha256="").upload_url


def test_another_size_begins_anew(harbour: Harbour) -> None:
    data = noisy()
    first = harbour.begin(data)
    harbour.part(first.upload_url, data, 0, 1000)

    second = harbour.begin(data, size_bytes=len(data) - 1)

    assert second.media_id != first.media_id
    assert harbour.ask("HEAD", first.upload_url).status == 404
    assert harbour.part_files() == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": -1}, "size_bytes"),
        ({"size_bytes": 2048 * MIB + 1}, "size_bytes"),
        ({"size_bytes": 50 * MIB + 1, "mime_type": "image/png"}, "size_bytes"),
        ({"sha256": "abc"}, "sha256"),
        ({"sha256": "g" * 64}, "sha256"),
    ],
)
def test_a_wrong_field_is_named(harbour: Harbour, fields: dict[str, Any], field: str) -> None:
    request = pb.CreateUploadRequest(**{"size_bytes": 1, **fields})
    refusal = harbour.house.caller("alice").refused("CreateUpload", request)
    assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, (field,))
    assert harbour.count_uploads() == 0


def test_a_type_that_is_not_taken_is_refused_before_it_is_sent(harbour: Harbour) -> None:
    request = pb.CreateUploadRequest(size_bytes=1, mime_type="image/gif")
    refusal = harbour.house.caller("alice").refused("CreateUpload", request)
    assert (refusal.reason, refusal.fields) == ("INPUT_MEDIA_INVALID", ("mime_type",))


def test_the_largest_files_are_taken(harbour: Harbour) -> None:
    assert harbour.begin(b"x", size_bytes=2048 * MIB, mime_type="video/mp4").upload_url
    assert harbour.begin(b"y", size_bytes=50 * MIB, mime_type="image/png").upload_url


def test_twenty_may_be_unfinished(harbour: Harbour) -> None:
    for number in range(20):
        harbour.begin(b"%d" % number)

    request = pb.CreateUploadRequest(size_bytes=1)
    refusal = harbour.house.caller("alice").refused("CreateUpload", request)

    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "RESOURCE_LIMIT_REACHED")
    assert refusal.metadata == {"resource": "upload", "limit": "20"}
    # One that is known goes on, and others may begin
    assert harbour.begin(b"7").upload_url
    assert harbour.begin(b"x", user_id="bob").upload_url


def test_a_full_library_is_said_before_anything_is_sent(
    house_loop: LoopThread, tmp_path: Path, valkey: Valkey
) -> None:
    with harbour_with(
        house_loop, tmp_path / "data", valkey.url, user_storage_megabytes=1
    ) as harbour:
        harbour.begin(b"x", size_bytes=MIB // 2)
        request = pb.CreateUploadRequest(size_bytes=MIB)
        refusal = harbour.house.caller("alice").refused("CreateUpload", request)
        assert (refusal.reason, refusal.metadata["limit"]) == ("STORAGE_FULL", "1 MiB")
        assert harbour.count_uploads() == 1


def test_a_full_disk_refuses_and_keeps_what_had_come(
    house_loop: LoopThread, tmp_path: Path, valkey: Valkey
) -> None:
    folder = tmp_path / "data"
    with harbour_with(house_loop, folder, valkey.url) as harbour:
        data = noisy()
        begun = harbour.begin(data)
        harbour.part(begun.upload_url, data, 0, 1000)

    full = {"min_free_megabytes": 10**9}
    with harbour_with(house_loop, folder, valkey.url, **full) as harbour:
        answer = harbour.part(begun.upload_url, data, 1000, len(data))
        assert (answer.status, answer.reason) == (429, "STORAGE_FULL")
        assert harbour.offset(begun.upload_url) == 1000
        request = pb.CreateUploadRequest(size_bytes=1)
        refusal = harbour.house.caller("alice").refused("CreateUpload", request)
        assert refusal.reason == "STORAGE_FULL"


def test_a_sender_that_falls_silent_is_let_go_and_what_came_is_kept(
    house_loop: LoopThread, tmp_path: Path, valkey: Valkey
) -> None:
    with harbour_with(
        house_loop, tmp_path / "data", valkey.url, reader_stuck_seconds=0.2
    ) as harbour:
        data = noisy()
        begun = harbour.begin(data)
        with harbour.sending(begun.upload_url, data[:5000], len(data)) as connection:
            assert connection.recv(1000).startswith(b"HTTP/1.1 409")
        assert harbour.offset(begun.upload_url) == 5000


def test_an_upload_that_nobody_finished_is_finished_by_who_comes_again(harbour: Harbour) -> None:
    # Given a process that ended when all bytes were kept
    data = noisy()
    begun = harbour.begin(data)
    harbour.part(begun.upload_url, data, 0, len(data) - 1)
    upload = find(harbour, begun.media_id)
    [path] = [p for p in harbour.house.blob_files() if p.parent.name == "uploads"]
    with path.open("ab") as file:
        file.write(data[-1:])
    parts = f'[["{upload.parts[0].key}", {len(data)}]]'
    run_sql(harbour, f"UPDATE upload SET parts = '{parts}', kept_bytes = {len(data)}")

    assert harbour.offset(begun.upload_url) == len(data)
    assert harbour.part(begun.upload_url, data, len(data) - 1, len(data)).status == 201
    assert harbour.bytes_of(begun.media_id) == data


def test_a_receiver_that_was_killed_is_followed_by_another(harbour: Harbour) -> None:
    # Given a receiver that kept something and was killed, and more bytes than it recorded
    data = noisy()
    begun = harbour.begin(data)
    harbour.part(begun.upload_url, data, 0, 5000)
    [path] = [p for p in harbour.house.blob_files() if p.parent.name == "uploads"]
    with path.open("ab") as file:
        file.write(b"never recorded")
    run_sql(harbour, "UPDATE upload SET fence = fence + 1, lease_expire_time = 1")

    assert harbour.offset(begun.upload_url) == 5000
    assert harbour.part(begun.upload_url, data, 5000, len(data)).status == 201
    assert harbour.bytes_of(begun.media_id) == data
    assert harbour.part_files() == []


def test_parts_that_are_gone_make_it_begin_anew(harbour: Harbour) -> None:
    data = noisy()
    begun = harbour.begin(data)
    harbour.part(begun.upload_url, data, 0, 5000)
    for path in harbour.house.blob_files():
        path.unlink()

    answer = harbour.part(begun.upload_url, data, 5000, len(data))

    assert (answer.status, answer.reason) == (404, "RESOURCE_NOT_FOUND")
    assert harbour.begin(data).media_id != begun.media_id


def test_an_uploaded_video_is_a_source_and_a_picture_is_none(
    house_loop: LoopThread, tmp_path: Path, valkey: Valkey
) -> None:
    with harbour_with(
        house_loop,
        tmp_path / "data",
        valkey.url,
        simulator=True,
        max_input_video_megabytes=1,
    ) as harbour:
        picture, clip = png(), film(tmp_path / "film", "mp4", "libx264").read_bytes()
        ids = {}
        for name, data in (("picture", picture), ("clip", clip), ("long", clip + padding(2 * MIB))):
            begun = harbour.begin(data)
            assert harbour.put(begun.upload_url, data).status == 201
            ids[name] = begun.media_id
        alice = harbour.house.caller("alice")

        def asked(field: str, **source: Any) -> pb.GenerateVideoRequest:
            request = video()
            request.spec.model = "simulator-video"
            getattr(request.spec, field).MergeFrom(job_pb2.MediaInput(**source))
            return request

        job = alice.call("GenerateVideo", asked("source_video", media_id=ids["clip"])).job
        assert job.video.source_video.media_id == ids["clip"]
        inline = alice.call("GenerateVideo", asked("source_video", content=clip)).job
        item = harbour.item(inline.video.source_video.media_id)
        assert (item.mime_type, item.duration.ToMilliseconds()) == ("video/mp4", 2000)
        for field, source, cause in (
            ("source_video", {"media_id": ids["picture"]}, "it is not a video"),
            ("source_video", {"content": picture}, "it is not a video"),
            ("source_video", {"media_id": ids["long"]}, "a video may have 1 MiB at most"),
            ("first_frame", {"media_id": ids["clip"]}, "it is not an image"),
            ("first_frame", {"content": clip}, "it is not a PNG, JPEG or WebP image"),
        ):
            refusal = alice.refused("GenerateVideo", asked(field, **source))
            assert refusal.reason == "INPUT_MEDIA_INVALID"
            assert refusal.metadata["cause"] == cause
            assert refusal.fields == (f"spec.{field}.{next(iter(source))}",)


def padding(size: int) -> bytes:
    """A box of an MP4 that players pass over."""
    return size.to_bytes(4, "big") + b"free" + bytes(size - 8)
