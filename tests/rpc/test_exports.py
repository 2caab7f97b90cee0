"""CreateExport, and the ZIP at its address: whole, without surprises, and for a while only."""

import contextlib
import hashlib
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode as Code

from core.blobs import open_blobs
from core.ids import new_id
from core.store import media, retention
from core.store.engine.sql import Statement
from rushes.v1 import media_pb2, recipe_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, LoopThread, close_house, open_house
from tests.http_process import HttpProcess, http_process
from tests.making import new_media
from tests.rpc.requests import image
from tests.rpc.working import worker
from tests.services import Valkey, wait_for

MIB = 1024 * 1024
EXPIRE = Statement("UPDATE export SET expire_time = 0")
ROWS = Statement("SELECT count(*) FROM export")
NO_ID = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def http_at(house: House) -> Iterator[HttpProcess]:
    """The HTTP process beside the server."""
    with http_process(house.settings.data_dir, f"127.0.0.1:{house.app.port}") as running:
        yield running


def stored(house: House, content: bytes = b"x" * 1000, user_id: str = "alice", **more: Any) -> str:
    """The id of an item with these bytes."""
    more = {"mime_type": "image/png", "create_time": int(time.time() * 1000), **more}
    sha256 = hashlib.sha256(content).hexdigest()
    item = new_media(user_id, size_bytes=len(content), sha256=sha256, **more)
    open_blobs(house.settings, bytes(32)).put_bytes(item.blob_key, content)
    media.add(house.db, item)
    return item.media_id


def export(house: House, *media_ids: str, user_id: str = "alice", **more: Any) -> Any:
    request = pb.CreateExportRequest(media_ids=media_ids, **more)
    return house.caller(user_id).call("CreateExport", request)


def target(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}"


def fetch(at: HttpProcess, url: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
    """The status, headers and body of what is at the address."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", at.port, timeout=20)) as http_:
        http_.request(method, target(url), headers=headers)
        answer = http_.getresponse()
        return answer.status, answer.headers, answer.read()


def opened(at: HttpProcess, url: str) -> zipfile.ZipFile:
    status, _, body = fetch(at, url)
    assert status == 200, body
    return zipfile.ZipFile(io.BytesIO(body))


def manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return found


def reason(body: bytes) -> str:
    return str(json.loads(body)["details"][0]["reason"])


def test_a_zip_has_the_items_as_they_are_and_a_manifest_with_their_recipes(
    house: House, http_at: HttpProcess
) -> None:
    # Given an image that a job made, and an upload
    alice = house.caller("alice")
    job_id = alice.call("GenerateImage", image("a red boat", size="256x256")).job.job_id
    asked = pb.GetJobRequest(job_id=job_id)
    asked.wait.FromSeconds(15)
    with worker(house):
        [made] = alice.call("GetJob", asked).job.outputs
    upload = stored(house, os.urandom(300_000), mime_type="video/mp4", title="My upload")

    # When they are exported, the second first
    answer = export(house, upload, made.media_id, upload)
    status, headers, body = fetch(http_at, answer.export_url)

    # Then the ZIP is good, and has both in that order and the manifest last
    assert (status, headers["content-type"]) == (200, "application/zip")
    assert headers["content-disposition"].startswith('attachment; filename="rushes-20')
    assert answer.size_bytes == 300_000 + made.size_bytes
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert archive.testzip() is None
    names = [f"My-upload_{upload}.mp4", f"a-red-boat_{made.media_id}.png", "manifest.json"]
    assert archive.namelist() == names
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    # And the manifest says what each is, by its hash too
    found = manifest(archive)
    assert (found["format"], found["rushesVersion"], found["missing"]) == (1, "0.1.0", [])
    assert [one["file"] for one in found["media"]] == names[:2]
    for one in found["media"]:
        assert hashlib.sha256(archive.read(one["file"])).hexdigest() == one["media"]["sha256"]
        assert not {"url", "thumbnailUrl", "urlExpireTime"} & one["media"].keys()
    assert "recipe" not in found["media"][0]
    # And the recipe is that of GetRecipe
    request = recipe_pb2.GetRecipeRequest(media_id=made.media_id)
    recipe = alice.call("GetRecipe", request).recipe
    assert ParseDict(found["media"][1]["recipe"], recipe_pb2.Recipe()) == recipe
    shown = ParseDict(found["media"][1]["media"], media_pb2.Media())
    assert (shown.media_id, shown.prompt) == (made.media_id, "a red boat")


HOSTILE = [
    "../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/passwd",
    "C:\\autoexec.bat",
    "CON",
    ".bashrc",
    "a\x00b\nc\x1b[31m",
    "\u202egnp.exe",
    "manifest.json",
    "x" * 5000,
    "\u0915\u093f\u0924\u093e\u092c " * 100,
    "\U0001f4a9" * 200,
    "",
]


def test_no_title_becomes_a_path(house: House, http_at: HttpProcess, tmp_path: Path) -> None:
    items = [stored(house, title=title) for title in HOSTILE]

    archive = opened(http_at, export(house, *items).export_url)

    names = archive.namelist()
    assert len(set(names)) == len(HOSTILE) + 1
    for name in names[:-1]:
        assert name.endswith(".png")
        assert len(name.encode()) < 200
        stem = name.removesuffix(".png")
        assert stem[:1].isalnum()
        assert all(c.isalnum() or c in "-_" or "\u0900" < c < "\u097f" for c in stem), name
    archive.extractall(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == sorted(names)
    assert all(
        "title" not in one["media"] or one["media"]["title"] for one in manifest(archive)["media"]
    )


def test_what_is_deleted_is_left_out_and_named_and_without_any_item_there_is_nothing(
    house: House, http_at: HttpProcess
) -> None:
    alice = house.caller("alice")
    kept, binned, erased = (stored(house, name.encode()) for name in "abc")
    address = export(house, kept, binned, erased).export_url
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=binned))
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=erased, permanent=True))

    archive = opened(http_at, address)
    assert [name.rpartition("_")[2] for name in archive.namelist()] == [
        f"{kept}.png",
        "manifest.json",
    ]
    assert manifest(archive)["missing"] == [binned, erased]

    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=kept))
    status, _, body = fetch(http_at, address)
    assert (status, reason(body)) == (404, "RESOURCE_NOT_FOUND")
    alice.call("UndeleteMedia", pb.UndeleteMediaRequest(media_id=kept))
    assert fetch(http_at, address)[0] == 200


def test_an_item_whose_bytes_are_gone_is_missing(house: House, http_at: HttpProcess) -> None:
    kept, lost = stored(house), stored(house)
    address = export(house, lost, kept).export_url
    blobs = open_blobs(house.settings, bytes(32))
    blobs.delete([f"media/{lost}"])
    found = manifest(opened(http_at, address))
    assert (found["missing"], len(found["media"])) == ([lost], 1)


def test_an_address_that_was_changed_or_has_expired_opens_nothing(
    house: House, http_at: HttpProcess
) -> None:
    first, second = (export(house, stored(house)) for _ in range(2))
    url = first.export_url
    for changed in (
        url.replace("signature=", "signature=A"),
        url.replace("expire_time=1", "expire_time=2"),
        url.partition("?")[0],
        second.export_url.partition("?")[0] + "?" + url.partition("?")[2],
        # What opens an item opens no export, and the other way round.
        url.replace("/exports/", "/media/").replace("?", "/content?"),
        url.replace("/exports/", "/shares/"),
    ):
        status, _, body = fetch(http_at, changed)
        assert status in (403, 404), changed
        assert b"PK" not in body[:2]
    ttl = {"seconds": 1}
    short = export(house, stored(house), url_ttl=ttl)
    wait_for(lambda: time.time() > short.expire_time.seconds, "the end of the address")
    status, _, body = fetch(http_at, short.export_url)
    assert (status, reason(body)) == (403, "CREDENTIALS_EXPIRED")
    assert export(house, stored(house), url_ttl={"seconds": 10**6}).expire_time.seconds <= (
        time.time() + 24 * 3600 + 5
    )


def test_there_are_no_ranges_and_a_head_has_no_body(house: House, http_at: HttpProcess) -> None:
    url = export(house, stored(house)).export_url
    status, headers, body = fetch(http_at, url, Range="bytes=0-9")
    assert (status, headers["accept-ranges"], len(body) > 10) == (200, "none", True)
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    status, headers, body = fetch(http_at, url, "HEAD")
    assert (status, headers["content-type"], body) == (200, "application/zip", b"")
    assert fetch(http_at, url, "POST")[0] == 405


def test_wrong_requests_name_their_field_and_store_nothing(house: House) -> None:
    alice, own = house.caller("alice"), stored(house)
    foreign, binned = stored(house, user_id="bob"), stored(house)
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=binned))
    wrong: list[tuple[Any, Code, str]] = [
        ([], Code.INVALID_ARGUMENT, "media_ids"),
        (["x"], Code.INVALID_ARGUMENT, "media_ids[0]"),
        ([new_id() for _ in range(1001)], Code.INVALID_ARGUMENT, "media_ids"),
        ([own, NO_ID], Code.NOT_FOUND, "media_ids[1]"),
        ([own, foreign], Code.NOT_FOUND, "media_ids[1]"),
        ([own, binned], Code.NOT_FOUND, "media_ids[1]"),
    ]
    for media_ids, code, field in wrong:
        refusal = alice.refused("CreateExport", pb.CreateExportRequest(media_ids=media_ids))
        assert (refusal.code, refusal.fields) == (code, (field,))
    row = house.db.row(ROWS)
    assert row is not None
    assert row[0] == 0


def test_the_oldest_exports_of_a_user_end_and_nobody_elses(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    house = open_house(house_loop, tmp_path, valkey.url, max_exports=2, max_export_items=3)
    try:
        with http_process(tmp_path, f"127.0.0.1:{house.app.port}") as at:
            item = stored(house)
            foreign = export(house, stored(house, user_id="bob"), user_id="bob").export_url
            urls = [export(house, item).export_url for _ in range(3)]
            assert [fetch(at, url)[0] for url in (*urls, foreign)] == [404, 200, 200, 200]
            many = pb.CreateExportRequest(media_ids=[new_id() for _ in range(4)])
            assert house.caller("alice").refused("CreateExport", many).fields == ("media_ids",)
            house.db.write(lambda session: session.run(EXPIRE))
            retention.forget(house.db, 1000)
            row = house.db.row(ROWS)
            assert row is not None
            assert row[0] == 0
    finally:
        close_house(house_loop, house)


def resident(at: HttpProcess) -> int:
    """The memory of the process that was ever resident, in bytes."""
    status = Path(f"/proc/{at.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def test_memory_does_not_grow_with_the_zip(house: House, http_at: HttpProcess) -> None:
    # Given a ZIP of 256 MiB, and a manifest of some MiB
    content = os.urandom(8 * MIB)
    items = [stored(house, content, prompt=f"{number} " + "\u6d77" * 8000) for number in range(32)]
    small = export(house, stored(house)).export_url
    fetch(http_at, small)
    before = resident(http_at)

    # When it is read
    digest, size = hashlib.sha256(), 0
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", http_at.port, timeout=60)
    ) as http_:
        http_.request("GET", target(export(house, *items).export_url))
        answer = http_.getresponse()
        while piece := answer.read(MIB):
            digest.update(piece)
            size += len(piece)

    # Then the process has held a small part of it
    assert size > 256 * MIB
    assert resident(http_at) - before < 48 * MIB


def test_a_download_that_is_cut_is_no_zip_and_leaves_nothing_behind(
    house: House, http_at: HttpProcess
) -> None:
    # Given an item that loses half of its bytes
    good, short = stored(house, os.urandom(MIB)), stored(house, os.urandom(MIB))
    path = next(p for p in house.blob_files() if p.name == short)
    path.chmod(0o600)
    os.truncate(path, MIB // 2)
    url = export(house, good, short).export_url

    # When the ZIP is read, then the answer is cut before its directory
    for _ in range(3):
        with pytest.raises((http.client.IncompleteRead, ConnectionError)) as caught:
            fetch(http_at, url)
        if isinstance(caught.value, http.client.IncompleteRead):
            assert not zipfile.is_zipfile(io.BytesIO(caught.value.partial))

    # And when readers go away in the middle, then no file stays open
    whole = export(house, good, good, *(stored(house, os.urandom(8 * MIB)) for _ in range(4)))
    for _ in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", http_at.port, timeout=20)
        connection.request("GET", target(whole.export_url))
        connection.getresponse().read(1000)
        connection.close()
    files = Path(f"/proc/{http_at.process.pid}/fd")

    def open_blob_files() -> list[str]:
        links = []
        for link in files.iterdir():
            with contextlib.suppress(OSError):
                links.append(os.readlink(link))
        return [link for link in links if "/blobs/" in link]

    wait_for(lambda: not open_blob_files(), "all blobs to be closed")
    assert fetch(http_at, whole.export_url)[0] == 200


def test_the_manifest_is_what_rest_shows(house: House, http_at: HttpProcess) -> None:
    item = stored(house, title='a "boat" \u6d77', labels={"project": "p1"}, starred=True)
    [entry] = manifest(opened(http_at, export(house, item).export_url))["media"]
    shown = house.caller("alice").call("GetMedia", pb.GetMediaRequest(media_id=item)).media
    for name in ("url", "thumbnail_url", "url_expire_time"):
        shown.ClearField(name)
    assert entry["media"] == MessageToDict(shown)
