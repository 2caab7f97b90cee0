from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from core.errors import ImageRefused, VideoRefused
from tests.fakes.films import film
from workers.runs.results.thumbnails import make_media_thumbnail


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return film(tmp_path / "video", "mp4", "libx264")


def test_either_kind_of_media_gets_a_thumbnail(video: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    Image.new("RGB", (900, 300)).save(image, "PNG")

    poster = Image.open(BytesIO(make_media_thumbnail(video)))
    assert (poster.format, poster.size) == ("WEBP", (320, 180))
    assert Image.open(BytesIO(make_media_thumbnail(image))).size == (320, 107)


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"\x00\x00\x00\x18ftypisom" + bytes(4000)])
def test_what_is_no_media_has_no_thumbnail(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)

    with pytest.raises((ImageRefused, VideoRefused)):
        make_media_thumbnail(path)
