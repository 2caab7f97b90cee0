"""Films: what is in the file, and that the seed and the prompt decide its pixels."""

import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from core.specs import VideoSpec
from workers.providers.builtin import RenderCancelled, render_video
from workers.providers.builtin.picture import fitted, opened

Specs = Callable[..., VideoSpec]
Films = Callable[..., Path]


def frames(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as file:
        shown = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return [Image.fromarray(pixels) for pixels in shown]


def boxes(path: Path) -> list[bytes]:
    """Names of the boxes at the top of an MP4 file, in order."""
    content = path.read_bytes()
    found, at = [], 0
    while at < len(content):
        size, name = struct.unpack(">I4s", content[at : at + 8])
        found.append(name)
        at += size
    return found


def test_the_file_is_what_a_browser_plays(video_spec: Specs, film: Films) -> None:
    path = film(video_spec(duration_ms=500))

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == (640, 360)
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 24
        assert stream.frames == 12
    assert boxes(path).index(b"moov") < boxes(path).index(b"mdat")


@pytest.mark.parametrize(("ratio", "size"), [("9:16", (360, 640)), ("1:1", (360, 360))])
def test_the_frame_has_the_size_asked_for(
    video_spec: Specs, film: Films, ratio: str, size: tuple[int, int]
) -> None:
    path = film(video_spec("misty forest", aspect_ratio=ratio, duration_ms=84))

    assert frames(path)[0].size == size


def test_the_same_prompt_and_seed_give_the_same_bytes(video_spec: Specs, film: Films) -> None:
    spec = video_spec("campfire at night", duration_ms=84)

    assert film(spec, seed=7).read_bytes() == film(spec, seed=7).read_bytes()


def test_another_seed_is_another_picture(video_spec: Specs, film: Films) -> None:
    spec = video_spec(duration_ms=42)

    one, other = (np.asarray(frames(film(spec, seed=s))[0]).astype(int) for s in (1, 2))

    assert np.abs(one - other).mean() > 8


def test_things_move(video_spec: Specs, film: Films) -> None:
    shown = frames(film(video_spec()))

    first, last = (np.asarray(shown[i]).astype(int) for i in (0, -1))
    assert 0.5 < np.abs(first - last).mean() < 60


def test_progress_counts_every_frame(video_spec: Specs, film: Films) -> None:
    seen: list[tuple[int, int]] = []

    film(video_spec(), progress=lambda done, total: seen.append((done, total)))

    assert seen == [(n, 6) for n in range(1, 7)]


def test_a_cancelled_film_stops_at_the_next_frame(video_spec: Specs, tmp_path: Path) -> None:
    seen: list[int] = []

    with pytest.raises(RenderCancelled):
        render_video(
            video_spec(duration_ms=10_000),
            seed=1,
            first_frame=None,
            path=tmp_path / "film.mp4",
            progress=lambda done, total: seen.append(done),
            cancelled=lambda: len(seen) >= 2,
        )

    assert seen == [1, 2]


def test_a_film_begins_with_the_picture_given(video_spec: Specs, film: Films, photo: bytes) -> None:
    shown = frames(film(video_spec("golden light", duration_ms=84), first_frame=photo))

    given = np.asarray(fitted(opened(photo), 640, 360)).astype(int)
    assert np.abs(np.asarray(shown[0]).astype(int) - given).mean() < 4


def test_a_given_picture_comes_alive(video_spec: Specs, film: Films, photo: bytes) -> None:
    shown = frames(film(video_spec("snow", duration_ms=500), first_frame=photo))

    changes = [
        np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).mean()
        for a, b in itertools.pairwise(shown)
    ]
    assert max(changes) > 0.1


def test_a_first_frame_that_is_no_picture_is_refused(video_spec: Specs, film: Films) -> None:
    with pytest.raises(ValueError, match="picture"):
        film(video_spec(), first_frame=b"not a picture")


def steps(shown: list[Image.Image]) -> list[float]:
    """How much each frame differs from the next; the last number is from the last to the first.

    Small frames are compared, because a codec keeps the grain of a frame for the next one, and
    begins anew at the first.
    """
    small = [frame.resize((80, 45), Image.Resampling.BOX) for frame in shown]
    light = [np.asarray(frame).astype(int) for frame in small]
    return [float(np.abs(a - b).mean()) for a, b in itertools.pairwise([*light, light[0]])]


@pytest.mark.parametrize(
    "prompt",
    ["calm ocean waves at sunset", "drone over a city at night", "rain in a forest", "abstract"],
)
def test_a_loop_goes_on_at_its_seam_as_anywhere_else(
    video_spec: Specs, film: Films, prompt: str
) -> None:
    *others, seam = steps(frames(film(video_spec(prompt, duration_ms=1000, loop=True))))
    assert 0.4 * min(others) < seam < 1.6 * max(others)

    # A film that is no loop jumps there.
    *others, seam = steps(frames(film(video_spec(prompt, duration_ms=1000))))
    assert seam > 2 * max(others)


def test_a_loop_of_a_given_picture_ends_as_it_begins(
    video_spec: Specs, film: Films, photo: bytes
) -> None:
    spec = video_spec("golden light", duration_ms=1000, loop=True)
    shown = frames(film(spec, first_frame=photo))

    given = np.asarray(fitted(opened(photo), 640, 360)).astype(int)
    assert np.abs(np.asarray(shown[0]).astype(int) - given).mean() < 4
    *others, seam = steps(shown)
    assert seam < 1.6 * max(others)
