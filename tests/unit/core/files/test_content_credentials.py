"""Content Credentials: found where a signer puts them, and nowhere else."""

import random
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from core.files.content_credentials import MAX_PARTS, has_content_credentials
from tests.fakes import media
from tests.signing import is_valid, signed

IMAGES = ("image/png", "image/jpeg", "image/webp")
TYPES = (*IMAGES, "video/mp4")
Found = Callable[[bytes], bool]


def plain(mime_type: str) -> bytes:
    return media.video() if mime_type == "video/mp4" else media.image(mime_type)


@pytest.fixture
def found(tmp_path: Path) -> Found:
    def look(data: bytes) -> bool:
        path = tmp_path / "file"
        path.write_bytes(data)
        return has_content_credentials(path)

    return look


@pytest.mark.parametrize("mime_type", TYPES)
def test_what_is_signed_has_them_and_the_same_without_has_not(found: Found, mime_type: str) -> None:
    data = signed(plain(mime_type), mime_type)

    assert is_valid(data, mime_type)
    assert found(data)
    assert not found(plain(mime_type))


@pytest.mark.parametrize("mime_type", TYPES)
def test_a_file_that_ends_anywhere_or_is_damaged_anywhere_is_looked_at_in_peace(
    found: Found, mime_type: str
) -> None:
    data, dice = signed(plain(mime_type), mime_type), random.Random(1)
    for end in (*range(70), *(dice.randrange(len(data)) for _ in range(50))):
        found(data[:end])
    for _ in range(300):
        damaged = bytearray(data)
        for place in (dice.randrange(len(data)), dice.randrange(80), dice.randrange(80)):
            damaged[place] = dice.choice((0, 0xFF, dice.randrange(256)))
        found(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x1a\x45\xdf\xa3" + b"webm" * 20, b"c2pa" * 99])
def test_what_is_of_another_kind_has_none(found: Found, data: bytes) -> None:
    assert not found(data)


def test_the_names_of_the_places_alone_are_none(found: Found) -> None:
    png = media.image("image/png")
    chunk = (40).to_bytes(4) + b"caBX" + bytes(44)
    assert not found(png[:33] + chunk + png[33:])
    # A JUMBF box of another kind, as 360° pictures have one.
    other = b"JP\0\1\0\0\0\1" + (40).to_bytes(4) + b"jumb" + (32).to_bytes(4) + b"jumd" + bytes(24)
    jpeg = media.image("image/jpeg")
    assert not found(jpeg[:2] + b"\xff\xeb" + (len(other) + 2).to_bytes(2) + other + jpeg[2:])
    video = media.video()
    box = (24).to_bytes(4) + b"uuid" + bytes(16)
    assert not found(video + box)


def test_a_manifest_behind_everything_else_is_found(found: Found) -> None:
    video = signed(media.video(), "video/mp4")
    begun = video.index(b"uuid") - 4
    end = begun + int.from_bytes(video[begun : begun + 4])
    large = (1).to_bytes(4) + b"free" + (100_016).to_bytes(8) + bytes(100_000)
    assert found(video[:begun] + large + video[end:] + large + video[begun:end])


def test_fill_bytes_before_a_jpeg_marker_are_no_obstacle(found: Found) -> None:
    jpeg = signed(media.image("image/jpeg"), "image/jpeg")
    assert found(jpeg[:2] + b"\xff\xff" + jpeg[2:])


@pytest.mark.parametrize("box", [(0).to_bytes(4), (7).to_bytes(4), b"\0\0\0\1"])
def test_a_box_whose_size_is_none_ends_the_look(found: Found, box: bytes) -> None:
    manifest = signed(media.video(), "video/mp4")
    begun = manifest.index(b"uuid") - 4
    assert not found(manifest[:begun] + box + b"free" + b"\xff" * 8 + manifest[begun:])


def test_a_file_of_nothing_but_parts_is_not_looked_at_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "file"
    head = media.video()[:32]
    with path.open("wb") as file:
        file.write(head + ((8).to_bytes(4) + b"free") * (MAX_PARTS + 1))
        file.write(signed(media.video(), "video/mp4")[32:])
    assert not has_content_credentials(path)


def test_neither_is_one_of_nothing_but_fill_bytes(found: Found) -> None:
    jpeg = signed(media.image("image/jpeg"), "image/jpeg")
    assert not found(jpeg[:2] + b"\xff" * (MAX_PARTS + 1) + jpeg[2:])


def test_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    # Given a video with its manifest behind a box of a gigabyte, which takes no room on the disk
    video, path = signed(media.video(), "video/mp4"), tmp_path / "file"
    begun = video.index(b"uuid") - 4
    with path.open("wb") as file:
        file.write(video[:begun] + (1 << 30).to_bytes(4) + b"free")
        file.seek(begun + (1 << 30))
        file.write(video[begun:])
    before = resource.getrusage(resource.RUSAGE_SELF)

    assert has_content_credentials(path)

    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 4 * 1024  # KiB
