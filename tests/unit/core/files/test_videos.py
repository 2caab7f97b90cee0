import contextlib
import random
from pathlib import Path

import pytest

from core.errors import VideoRefused
from core.files.sniff import sniff_file
from core.files.videos import picture_of, probe_video
from tests.fakes.films import film


@pytest.fixture(params=[("mp4", "libx264"), ("webm", "libvpx")], ids=["mp4", "webm"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind, codec = request.param
    return film(tmp_path / "video", kind, codec)


def test_a_video_is_known_by_its_bytes(video: Path) -> None:
    info = probe_video(video)

    assert info.mime_type == sniff_file(video)
    assert (info.width, info.height, info.duration_ms) == (640, 360, 2000)


def test_a_poster_shows_a_moment_after_the_start(video: Path) -> None:
    poster = picture_of(video)

    assert poster.size == (640, 360)
    colour = poster.getpixel((320, 180))
    assert isinstance(colour, tuple)
    assert 105 < colour[0] < 135  # frame 24 of 48


def test_a_video_of_one_frame_has_a_poster(tmp_path: Path) -> None:
    video = film(tmp_path / "video", "mp4", "libx264", frames=1)

    assert probe_video(video).duration_ms == 42
    assert picture_of(video).size == (640, 360)


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.9])
def test_a_video_that_is_cut_off_is_refused(kept: float, tmp_path: Path) -> None:
    video = film(tmp_path / "video", "mp4", "libx264")
    data = video.read_bytes()
    video.write_bytes(data[: int(len(data) * kept)])

    with pytest.raises(VideoRefused):
        probe_video(video)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        b"\x00\x00\x00\x18ftypisom" + bytes(4000),
        b"\x00\x00\x00\x18ftypisom" + b"\xff" * 4000,
        b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm" + b"\xff" * 4000,
        b"#EXTM3U\nhttp://127.0.0.1/a.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
)
def test_what_is_no_video_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)

    with pytest.raises(VideoRefused):
        probe_video(path)
    with pytest.raises(VideoRefused):
        picture_of(path)


def test_a_codec_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    video = film(tmp_path / "video", "mp4", "libx264")
    video.write_bytes(
        video.read_bytes().replace(b"avc1", b"zzz1").replace(b"ftypisom", b"ftypmp42")
    )

    with pytest.raises(VideoRefused):
        probe_video(video)


def test_a_damaged_video_is_taken_or_refused_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(7)
    whole = film(tmp_path / "video", "mp4", "libx264", frames=4).read_bytes()
    path = tmp_path / "damaged"

    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(min(1200, len(whole)))] = chance.randrange(256)
        path.write_bytes(damaged)
        for judge in (probe_video, picture_of):
            with contextlib.suppress(VideoRefused):
                judge(path)
