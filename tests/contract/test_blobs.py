"""One suite for every blob store: a local folder, and S3 as moto plays it."""

import contextlib
import errno
import functools
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.blobs import Blobs, Variant, open_blobs
from core.errors import BlobMissing, DependencyUnavailable, SettingsInvalid, StorageFull
from core.ids import new_id
from core.process.settings import read_settings
from core.uploads import Part
from tests.services import wait_for

SIGNING_KEY = b"k" * 32
MP4 = b"\x00\x00\x00\x18ftypisom" + b"\x00" * 500
FUTURE_MS = 10_000_000_000_000
open_store = functools.partial(open_blobs, signing_key=SIGNING_KEY)


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(functools.partial(make_bucket, endpoint), "moto")
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def s3_blobs(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    use_s3(monkeypatch, s3_endpoint)
    return open_store(read_settings(blob_url=f"s3://bucket/some/{new_id()}"))


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return open_store(read_settings(data_dir=tmp_path / "a folder"))
    s3: Blobs = request.getfixturevalue("s3_blobs")
    return s3


def use_s3(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def make_bucket(endpoint: str) -> bool:
    with contextlib.suppress(OSError):
        request = urllib.request.Request(f"{endpoint}/bucket", method="PUT")
        with urllib.request.urlopen(request, timeout=5):
            return True
    return False


def failing_link(*_: object) -> None:
    raise OSError(errno.EXDEV, "another file system")


def drafts(blobs: Blobs) -> list[str]:
    return list(blobs.list_keys("tmp/", FUTURE_MS))


def test_bytes_come_back_as_they_were_put(blobs: Blobs) -> None:
    blobs.put_bytes("media/a", MP4)

    assert blobs.read("media/a") == MP4
    assert blobs.size("media/a") == len(MP4)
    assert drafts(blobs) == []


def test_a_large_file_comes_back_as_it_was_put(blobs: Blobs, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096 * 6  # 6 MiB: more than one part of an upload
    source = tmp_path / "source"
    source.write_bytes(data)

    blobs.put_file("media/a", source)

    assert blobs.read("media/a") == data
    assert b"".join(blobs.stream("media/a", 0, len(data))) == data
    assert source.exists()


@pytest.mark.parametrize("linked", [True, False])
def test_a_file_becomes_a_blob_of_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    if not linked:  # as on another file system
        monkeypatch.setattr(Path, "hardlink_to", failing_link)
    settings = read_settings(data_dir=tmp_path)
    blobs = open_store(settings)
    source = tmp_path / "source"
    source.write_bytes(MP4)

    blobs.put_file("media/a", source)
    source.unlink()

    [blob] = [path for path in tmp_path.rglob("a") if path.is_file()]
    assert (blobs.read("media/a"), blob.stat().st_mode & 0o777) == (MP4, 0o600)
    assert drafts(blobs) == []


def test_a_blob_is_as_old_as_its_name_and_not_as_the_file(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(MP4)
    os.utime(source, (0, 0))

    blobs.put_file("media/a", source)

    # Else the purge would erase it before its row is written
    an_hour_ago = int(time.time() - 3600) * 1000
    assert list(blobs.list_keys("media/", an_hour_ago)) == []


def test_a_file_that_is_put_twice_leaves_no_draft(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(MP4)

    for _ in range(2):
        blobs.put_file("media/a", source)

    assert (blobs.read("media/a"), drafts(blobs)) == (MP4, [])


def test_what_a_link_leads_to_is_copied(tmp_path: Path) -> None:
    blobs = open_store(read_settings(data_dir=tmp_path))
    (tmp_path / "elsewhere").write_bytes(MP4)
    (tmp_path / "source").symlink_to(tmp_path / "elsewhere")

    blobs.put_file("media/a", tmp_path / "source")

    (tmp_path / "elsewhere").write_bytes(b"changed")
    assert blobs.read("media/a") == MP4


def test_nothing_can_be_stored_too(blobs: Blobs) -> None:
    blobs.put_bytes("media/a", b"")

    assert blobs.read("media/a") == b""
    assert list(blobs.stream("media/a", 0, 0)) == []


def test_a_second_put_replaces_the_first(blobs: Blobs) -> None:
    blobs.put_bytes("media/a", b"first")
    blobs.put_bytes("media/a", b"second, longer")

    assert blobs.read("media/a") == b"second, longer"


@pytest.mark.parametrize(("start", "end"), [(0, 1), (3, 7), (9, 10), (0, 10), (5, 5)])
def test_a_range_is_what_lies_between(blobs: Blobs, start: int, end: int) -> None:
    blobs.put_bytes("media/a", b"0123456789")

    assert b"".join(blobs.stream("media/a", start, end)) == b"0123456789"[start:end]


def test_a_missing_blob_says_so_at_once(blobs: Blobs) -> None:
    with pytest.raises(BlobMissing):
        blobs.read("media/none")
    with pytest.raises(BlobMissing):
        blobs.size("media/none")
    with pytest.raises(BlobMissing):
        blobs.stream("media/none", 0, 5)


def test_deleted_blobs_are_gone_and_missing_ones_are_fine(blobs: Blobs) -> None:
    for name in "abc":
        blobs.put_bytes(f"media/{name}", b"x")

    blobs.delete(["media/none", "media/a", "media/nor-this", "media/b"])
    blobs.delete([])

    assert list(blobs.list_keys("media/", FUTURE_MS)) == ["media/c"]


def test_keys_are_listed_by_folder_and_age(blobs: Blobs) -> None:
    blobs.put_bytes("media/a", b"x")
    blobs.put_bytes("media/b", b"x")
    blobs.put_bytes("thumbnails/a.webp", b"x")

    assert sorted(blobs.list_keys("media/", FUTURE_MS)) == ["media/a", "media/b"]
    assert list(blobs.list_keys("thumbnails/", FUTURE_MS)) == ["thumbnails/a.webp"]
    assert list(blobs.list_keys("nowhere/", FUTURE_MS)) == []
    hour_ago_ms = int(time.time() - 3600) * 1000
    assert list(blobs.list_keys("media/", hour_ago_ms)) == []


@pytest.mark.parametrize("key", ["../a", "media/../../a", "/etc/passwd", "media/A", "media/a\x00"])
def test_a_key_from_elsewhere_is_refused(blobs: Blobs, key: str) -> None:
    attempts: list[Callable[[], Any]] = [
        lambda: blobs.put_bytes(key, b"x"),
        lambda: blobs.read(key),
        lambda: blobs.size(key),
        lambda: blobs.stream(key, 0, 1),
        lambda: blobs.delete([key]),
        lambda: list(blobs.list_keys(key, FUTURE_MS)),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="not a blob key"):
            attempt()


def test_bytes_that_changed_on_the_way_are_never_visible(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload: Any = vars(type(blobs))["_upload"]
    monkeypatch.setattr(
        blobs, "_upload", lambda draft, _: upload(blobs, draft, b"wrong"), raising=True
    )

    for data in (b"right", b"longer than wrong"):
        with pytest.raises(DependencyUnavailable):
            blobs.put_bytes("media/a", data)

    assert drafts(blobs) == list(blobs.list_keys("media/", FUTURE_MS)) == []


def test_a_put_that_breaks_keeps_what_was_there(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put_bytes("media/a", b"old")

    def breaks(draft: str, key: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "_publish", breaks)
        with pytest.raises(KeyboardInterrupt):
            blobs.put_bytes("media/a", b"new")

    assert blobs.read("media/a") == b"old"
    assert drafts(blobs) == []


def test_many_threads_put_at_once(blobs: Blobs) -> None:
    def put(number: int) -> None:
        blobs.put_bytes(f"media/{number}", b"%d" % number * 1000)
        blobs.put_bytes("media/same", b"%d" % (number % 10) * 1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(24)))

    assert [blobs.read(f"media/{n}") for n in range(24)] == [b"%d" % n * 1000 for n in range(24)]
    assert len(set(blobs.read("media/same"))) == 1


def test_a_check_leaves_nothing_behind(blobs: Blobs) -> None:
    blobs.check()

    assert drafts(blobs) == []


def test_a_presigned_address_gives_the_bytes_their_type_and_ranges(s3_blobs: Blobs) -> None:
    s3_blobs.put_bytes("media/a", MP4)
    url = s3_blobs.url(
        new_id(),
        Variant.CONTENT,
        mime_type="video/mp4",
        blob_key="media/a",
        expire_time_s=int(time.time()) + 60,
    )

    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.headers["content-type"] == "video/mp4"
        assert response.read() == MP4
    part = urllib.request.Request(url, headers={"Range": "bytes=4-11"})
    with urllib.request.urlopen(part, timeout=10) as response:
        assert (response.status, response.read()) == (206, b"ftypisom")


def test_an_item_s_address_is_the_same_until_its_end_is_another(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an address, and some time later
    media_id, now = new_id(), time.time()

    def address(end: int) -> str:
        kind = "video/mp4"
        variant, expire = Variant.CONTENT, int(now) + end
        key = "media/a"
        return blobs.url(media_id, variant, mime_type=kind, blob_key=key, expire_time_s=expire)

    first = address(900)
    monkeypatch.setattr(time, "time", lambda: now + 60)

    # Then it is still that address, and one that ends later is another
    assert address(900) == first
    assert address(1800) != first


def test_a_bucket_that_is_not_there_is_an_unavailable_store(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3_endpoint)
    blobs = open_store(read_settings(blob_url="s3://no-such-bucket"))

    for attempt in (lambda: blobs.put_bytes("media/a", b"x"), lambda: blobs.read("media/a")):
        with pytest.raises(DependencyUnavailable):
            attempt()


def test_a_store_that_does_not_answer_is_an_unavailable_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        use_s3(monkeypatch, f"http://127.0.0.1:{free.getsockname()[1]}")

    with pytest.raises(DependencyUnavailable):
        open_store(read_settings(blob_url="s3://bucket")).check()


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    blobs = open_store(read_settings(data_dir=tmp_path))
    blobs.put_bytes("media/a", b"x")

    root = tmp_path / "blobs"
    modes = {path.relative_to(root).as_posix(): path.stat().st_mode & 0o777 for path in
             [root, *root.rglob("*")]}  # fmt: skip
    assert modes == {".": 0o700, "tmp": 0o700, "media": 0o700, "media/a": 0o600}


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    blobs = open_store(read_settings(data_dir=tmp_path))
    blobs.put_bytes("media/a", b"x")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "blobs" / "media" / "link").symlink_to(secret)
    (tmp_path / "blobs" / "elsewhere").symlink_to(tmp_path)

    for key in ("media/link", "elsewhere/secret"):
        with pytest.raises(BlobMissing):
            blobs.read(key)
        with pytest.raises(BlobMissing):
            blobs.stream(key, 0, 3)


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = open_store(read_settings(data_dir=tmp_path))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageFull):
            blobs.put_bytes("media/a", b"x")

    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_folder_that_can_not_be_made_or_is_gone_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsInvalid, match="blob folder"):
        open_store(read_settings(blob_url=f"file://{tmp_path}/file/blobs"))

    blobs = open_store(read_settings(data_dir=tmp_path))
    (tmp_path / "blobs" / "tmp").rmdir()
    (tmp_path / "blobs").rmdir()
    with pytest.raises(DependencyUnavailable):
        blobs.put_bytes("media/a", b"x")


@pytest.mark.parametrize("address", ["ftp://host/x", "/a/path", "s3://"])
def test_an_address_that_is_no_store_is_refused(address: str) -> None:
    with pytest.raises(SettingsInvalid, match="RUSHES_BLOB_URL"):
        open_store(read_settings(blob_url=address))


def received(blobs: Blobs, name: str, parts: Sequence[Part], data: bytes, **how: bool) -> Any:
    """The parts after one more receiver, which keeps twice."""
    writer = blobs.open_parts(name, parts, **{"goes_on": True, **how})
    half = len(data) // 2
    writer.write(data[:half])
    writer.keep()
    writer.write(data[half:])
    kept = writer.keep()
    writer.close()
    return kept


def joined(blobs: Blobs, parts: Sequence[Part]) -> bytes:
    with blobs.joined(parts) as path:
        return path.read_bytes()


@pytest.mark.parametrize("goes_on", [True, False])
def test_parts_of_several_receivers_are_joined(blobs: Blobs, goes_on: bool) -> None:
    parts: tuple[Part, ...] = ()
    for number in range(4):
        parts = received(blobs, f"id.{number}", parts, MP4, goes_on=goes_on)

    assert sum(part.size for part in parts) == 4 * len(MP4)
    assert joined(blobs, parts) == 4 * MP4
    # Whoever comes after one that let go makes no more of them
    assert len(parts) == (1 if goes_on else len(parts))
    blobs.delete(part.key for part in parts)
    assert drafts(blobs) == []


def test_what_was_not_kept_does_not_count(blobs: Blobs) -> None:
    parts = received(blobs, "id.1", (), MP4)
    lost = blobs.open_parts("id.2", parts, goes_on=True)
    lost.write(b"never kept")
    lost.close()

    assert joined(blobs, parts) == MP4
    again = received(blobs, "id.3", parts, b"the rest")
    assert joined(blobs, again) == MP4 + b"the rest"


def test_a_receiver_that_wakes_late_writes_beside_its_follower(blobs: Blobs) -> None:
    # Given a receiver that was frozen after it kept something, and its follower
    frozen = blobs.open_parts("id.1", (), goes_on=True)
    frozen.write(MP4)
    parts = frozen.keep()
    followed = received(blobs, "id.2", parts, b"from the follower", goes_on=False)

    # When it wakes and writes
    frozen.write(b"too late")
    frozen.keep()
    frozen.close()

    assert joined(blobs, followed) == MP4 + b"from the follower"


def test_a_part_that_is_gone_is_missed(blobs: Blobs) -> None:
    parts = received(blobs, "id.1", (), MP4)
    more = received(blobs, "id.2", parts, MP4, goes_on=False)
    blobs.delete([more[0].key])

    with pytest.raises(BlobMissing):
        joined(blobs, more)
    with pytest.raises(BlobMissing):
        joined(blobs, more[:1])
