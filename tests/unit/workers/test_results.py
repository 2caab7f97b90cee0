"""From a provider's file to a media item whose bytes are whole."""

import hashlib
import io
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from core.blobs import Blobs
from core.errors import Reason, StorageFull
from core.jobs import Cost, CostState
from core.media import Media, MediaType
from tests.making import IMAGE, job_value
from tests.unit.workers.scripted import picture
from workers.providers import Output, ProviderFailed
from workers.results import MAX_RESULT_PIXELS, probe_result, store_output

JOB = job_value(
    spec=IMAGE,
    provider="scripted",
    labels={"project": "x"},
    cost=Cost(state=CostState.RESERVED, estimated_micros=900),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output"


def film(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            pixels = np.full((48, 64, 3), number * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def stored(blobs: Blobs, path: Path, index: int = 0, output: Output | None = None) -> Media:
    return store_output(blobs, JOB, index, path, output or Output(), generation_ms=3000)


def test_a_picture_becomes_an_item_with_all_that_is_known_of_it(blobs: Blobs, path: Path) -> None:
    path.write_bytes(picture(48))

    item = stored(blobs, path, 2, Output(seed=7, revised_prompt="a better boat"))

    assert (item.type, item.mime_type) == (MediaType.IMAGE, "image/png")
    assert (item.width, item.height, item.duration_ms) == (48, 48, None)
    assert (item.user_id, item.job_id, item.output_index) == ("alice", JOB.job_id, 2)
    assert (item.prompt, item.revised_prompt, item.seed) == ("boat", "a better boat", 7)
    assert (item.provider, item.model, item.labels) == ("scripted", IMAGE.model, {"project": "x"})
    assert (item.generation_ms, item.cost_micros) == (3000, 900)
    assert item.sha256 == hashlib.sha256(picture(48)).hexdigest()
    assert item.size_bytes == len(picture(48)) == blobs.size(item.blob_key)


def test_its_bytes_and_its_thumbnail_are_in_the_store(blobs: Blobs, path: Path) -> None:
    path.write_bytes(picture(700))

    item = stored(blobs, path)

    assert blobs.read(item.blob_key) == picture(700)
    with Image.open(io.BytesIO(blobs.read(item.thumbnail_key))) as small:
        assert (small.format, small.size) == ("WEBP", (320, 320))


def test_a_film_becomes_an_item_with_its_length(blobs: Blobs, path: Path) -> None:
    film(path)

    item = stored(blobs, path)

    assert (item.type, item.mime_type) == (MediaType.VIDEO, "video/mp4")
    assert (item.width, item.height, item.duration_ms) == (64, 48, 500)
    with Image.open(io.BytesIO(blobs.read(item.thumbnail_key))) as poster:
        assert poster.format == "WEBP"


def test_every_item_has_a_place_of_its_own(blobs: Blobs, path: Path) -> None:
    path.write_bytes(picture())
    items = [stored(blobs, path, index) for index in range(3)]
    assert len({item.media_id for item in items}) == 3
    assert len({item.blob_key for item in items}) == 3


@pytest.mark.parametrize("content", [b"", b"no media", picture()[:70], b"\x00\x00\x00\x18ftypisom"])
def test_what_can_not_be_shown_is_refused_and_nothing_is_stored(
    blobs: Blobs, path: Path, content: bytes
) -> None:
    path.write_bytes(content)

    with pytest.raises(ProviderFailed) as caught:
        stored(blobs, path)
    assert caught.value.failure.reason is Reason.RESULT_INVALID
    for folder in ("media/", "thumbnails/", "tmp/"):
        assert list(blobs.list_keys(folder, 10_000_000_000_000)) == []


def test_a_film_that_was_cut_short_is_refused(blobs: Blobs, path: Path) -> None:
    film(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProviderFailed):
        stored(blobs, path)


def test_a_full_store_is_told(blobs: Blobs, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFull

    path.write_bytes(picture())
    monkeypatch.setattr(blobs, "put_file", full)
    with pytest.raises(StorageFull):
        stored(blobs, path)


def test_a_result_may_be_larger_than_an_input(path: Path) -> None:
    assert MAX_RESULT_PIXELS >= 8192 * 4320
    path.write_bytes(picture(64))
    assert probe_result(path).width == 64
