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
from core.jobs import Cost, CostState, Job
from core.media import Media, MediaType
from tests.fakes import media as fakes
from tests.making import IMAGE, VIDEO, job_value
from tests.signing import is_valid, signed
from tests.unit.workers.scripted import picture
from workers.providers import Output, ProviderFailed
from workers.runs.results import media as results
from workers.runs.results.media import MAX_RESULT_PIXELS, probe_result, store_output

VALUES = {
    "provider": "scripted",
    "labels": {"project": "x"},
    "cost": Cost(state=CostState.RESERVED, estimated_micros=900),
}
JOB = job_value(spec=IMAGE, **VALUES)
FILM_JOB = job_value(spec=VIDEO, **VALUES)
MIB = 1024 * 1024


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


def stored(
    blobs: Blobs,
    path: Path,
    index: int = 0,
    output: Output | None = None,
    job: Job = JOB,
    max_bytes: int = MIB,
) -> Media:
    made = output or Output()
    return store_output(
        blobs, job, index, path, made, generation_ms=3000, cost_micros=900, max_bytes=max_bytes
    )


def refusal(blobs: Blobs, path: Path, job: Job = JOB, max_bytes: int = MIB) -> str:
    """Why it is RESULT_INVALID; nothing of it is stored."""
    with pytest.raises(ProviderFailed) as caught:
        stored(blobs, path, job=job, max_bytes=max_bytes)
    assert caught.value.failure.reason is Reason.RESULT_INVALID
    for folder in ("media/", "thumbnails/", "tmp/"):
        assert list(blobs.list_keys(folder, 10_000_000_000_000)) == []
    return caught.value.failure.message


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

    item = stored(blobs, path, job=FILM_JOB)

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
    assert refusal(blobs, path).startswith("The provider's result can't be used: ")


def test_a_film_that_was_cut_short_is_refused(blobs: Blobs, path: Path) -> None:
    film(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refusal(blobs, path, FILM_JOB)


def test_a_result_of_the_other_kind_is_refused(blobs: Blobs, path: Path) -> None:
    path.write_bytes(picture())
    said = "The provider's result can't be used: it is an image, and the job asked for a video."
    assert refusal(blobs, path, FILM_JOB) == said
    path.write_bytes(b"no media")
    assert refusal(blobs, path, FILM_JOB).endswith("it is not an MP4 or WebM video.")
    film(path)
    assert "it is a video, and the job asked for an image" in refusal(blobs, path, JOB)


def test_what_is_larger_than_allowed_is_refused_before_it_is_read(
    blobs: Blobs, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(path)
    size = path.stat().st_size
    assert f"it has {size:,} bytes, more than {size - 1:,}" in refusal(
        blobs, path, FILM_JOB, max_bytes=size - 1
    )
    assert stored(blobs, path, job=FILM_JOB, max_bytes=size).size_bytes == size

    # An image is decoded from what may be in memory whole, so it has a limit of its own.
    path.write_bytes(picture(700))
    monkeypatch.setattr(results, "MAX_IMAGE_BYTES", 100)
    with pytest.raises(ProviderFailed, match="more than 100"):
        stored(blobs, path)


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/webp", "video/mp4"])
def test_what_a_provider_signed_is_stored_byte_for_byte_and_stays_signed(
    blobs: Blobs, path: Path, mime_type: str
) -> None:
    job, plain = (JOB, fakes.image(mime_type)) if mime_type != "video/mp4" else (FILM_JOB, None)
    sent = signed(plain or fakes.video(), mime_type)
    path.write_bytes(sent)

    item = stored(blobs, path, job=job)

    kept = blobs.read(item.blob_key)
    assert item.has_content_credentials
    assert hashlib.sha256(kept).hexdigest() == hashlib.sha256(sent).hexdigest() == item.sha256
    assert is_valid(kept, mime_type)


def test_what_nobody_signed_is_not_said_to_be(blobs: Blobs, path: Path) -> None:
    path.write_bytes(picture())
    assert not stored(blobs, path).has_content_credentials


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
