"""A video of a gigabyte goes from the provider to the blob store, and never is whole in memory."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from tests.fakes import media
from tests.fakes.serve import BIG_BYTES, Fake

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
MOST_KIB = 64 * 1024
FILM_BYTES = 256 * 1024**2


class Shop(Fake):
    """Delivers a film that is all film, one with a huge box, and a small one."""

    name = "shop"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.film = folder / "film.mp4"

    def routes(self) -> list[BaseRoute]:
        return [Route("/film", self._film), Route("/{prompt}", self._prompted)]

    async def _film(self, _: Request) -> Response:
        return FileResponse(self.film)

    async def _prompted(self, request: Request) -> Response:
        prompt = request.path_params["prompt"]
        return await self.deliver(prompt, prompt, media.video(), "video/mp4")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path) as fake:
        yield fake


def delivered(folder: Path, address: str, small: str) -> dict[str, int | str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.workers.growing", str(folder), address, small],
        stdout=subprocess.PIPE,
        check=True,
    )
    result: dict[str, int | str] = json.loads(done.stdout)
    return result


def make_film(path: Path, size: int) -> None:
    """A film of noise that is hard to compress, the same picture again and again."""
    noise = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)
    with av.open(path, "w", format="mp4") as film:
        stream = film.add_stream("mjpeg", rate=24)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuvj444p"
        stream.codec_context.qmin = stream.codec_context.qmax = 1
        frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        [first] = [*stream.encode(frame), *stream.encode()]
        data = bytes(first)
        for number in range(size // len(data) + 1):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 24), True
            packet.pts = packet.dts = number
            packet.duration = 1
            film.mux(packet)


def test_a_gigabyte_from_the_provider_to_the_store_takes_little_memory(
    shop: Shop, tmp_path: Path
) -> None:
    found = delivered(tmp_path / "data", f"{shop.url}/fake:big", f"{shop.url}/small")

    digest = hashlib.sha256()
    for chunk in media.big_video(BIG_BYTES):
        digest.update(chunk)
    assert (found["size"], found["sha256"]) == (BIG_BYTES, digest.hexdigest())
    blob = tmp_path / "data" / "blobs" / str(found["key"])
    assert blob.stat().st_size == BIG_BYTES
    assert int(found["growth_kib"]) < MOST_KIB
    # pytest keeps the folders of three runs.
    blob.unlink()


def test_a_film_that_is_read_to_its_end_takes_little_memory(shop: Shop, tmp_path: Path) -> None:
    make_film(shop.film, FILM_BYTES)

    found = delivered(tmp_path / "data", f"{shop.url}/film", f"{shop.url}/small")

    assert int(found["size"]) > FILM_BYTES
    assert int(found["growth_kib"]) < MOST_KIB
    shop.film.unlink()
    (tmp_path / "data" / "blobs" / str(found["key"])).unlink()
