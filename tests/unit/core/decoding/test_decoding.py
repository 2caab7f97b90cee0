"""Files of strangers are decoded in a child: it can be killed, and holds nothing worth having."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from core import decoding
from core.decoding import Limits, look_at
from core.decoding.shares import Shares
from core.errors import ImageRefused, VideoRefused
from tests.e2e.processes import Process, children, linux_only
from tests.fakes.films import film
from tests.services import DEADLINE_SECONDS, wait_for
from tests.unit.core.decoding.slow import many_scans

LIMITS = Limits(max_pixels=25_000_000, cpu_seconds=20, videos=True)


def encoded(kind: str, width: int = 64, height: int = 36) -> bytes:
    output = BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(output, kind)
    return output.getvalue()


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    decoding.close()


def zygotes() -> list[Process]:
    """The zygote of this process, if it runs."""
    return [process for process in children(os.getpid()) if b"core.decoding" in process.command]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_is_seen(kind: str, tmp_path: Path) -> None:
    data = encoded(kind, 640, 400)
    path = tmp_path / "image"
    path.write_bytes(data)

    for source in (data, path):
        seen = look_at(source, "alice", LIMITS)

        assert seen.mime_type == f"image/{kind.lower()}"
        assert (seen.width, seen.height, seen.duration_ms) == (640, 400, None)
        assert Image.open(BytesIO(seen.thumbnail)).size == (320, 200)


def test_a_video_is_seen(tmp_path: Path) -> None:
    seen = look_at(film(tmp_path / "video", "mp4", "libx264"), "alice", LIMITS)

    poster = Image.open(BytesIO(seen.thumbnail))
    assert seen.mime_type == "video/mp4"
    assert seen.duration_ms
    assert (poster.format, poster.size) == ("WEBP", (320, 180))


def test_a_video_is_no_input(tmp_path: Path) -> None:
    path = film(tmp_path / "video", "mp4", "libx264")

    with pytest.raises(ImageRefused, match="not a PNG"):
        look_at(path, "alice", replace(LIMITS, videos=False))


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"\x00\x00\x00\x18ftypisom" + bytes(4000)])
def test_what_is_no_media_is_refused_in_words(data: bytes) -> None:
    with pytest.raises((ImageRefused, VideoRefused), match="it is "):
        look_at(data, "alice", LIMITS)


def test_a_file_that_takes_too_long_is_refused_and_the_next_is_not() -> None:
    slow = many_scans(4000, 4000, 100)

    with pytest.raises(ImageRefused, match="too long"):
        look_at(slow, "alice", replace(LIMITS, cpu_seconds=1))

    assert look_at(encoded("PNG"), "alice", LIMITS).width == 64


@linux_only
def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_is_not() -> None:
    large = encoded("PNG", 3000, 3000)
    allowed = decoding.BYTES_PER_PIXEL * LIMITS.max_pixels

    with pytest.raises(ImageRefused):
        look_at(large, "alice", replace(LIMITS, spare_bytes=4_000_000 - allowed))

    assert look_at(large, "alice", LIMITS).width == 3000


@linux_only
def test_a_zygote_that_was_killed_is_started_again() -> None:
    look_at(encoded("PNG"), "alice", LIMITS)
    [before] = zygotes()

    before.kill()

    assert look_at(encoded("PNG"), "alice", LIMITS).width == 64
    assert zygotes() not in ([], [before])


@linux_only
def test_what_decodes_knows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_OPENAI_API_KEY", "canary")
    look_at(encoded("PNG"), "alice", LIMITS)
    [zygote] = zygotes()

    assert b"canary" not in Path(f"/proc/{zygote.pid}/environ").read_bytes()


@linux_only
def test_nothing_is_left_after_the_close() -> None:
    look_at(encoded("PNG"), "alice", LIMITS)
    before = zygotes()

    decoding.close()

    assert before
    assert not any(process.lives for process in before)


def test_one_user_s_files_leave_a_place_for_others() -> None:
    shares, go_on = Shares(2), threading.Event()
    inside: list[str] = []

    def hold(owner: str) -> None:
        with shares.of(owner):
            inside.append(owner)
            go_on.wait(DEADLINE_SECONDS)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            pool.submit(hold, "alice")
        wait_for(lambda: "alice" in inside, "alice to have a place")
        pool.submit(hold, "bob")
        wait_for(lambda: "bob" in inside, "bob to have a place")
        held = list(inside)
        go_on.set()

    assert held == ["alice", "bob"]
    assert inside.count("alice") == 5
