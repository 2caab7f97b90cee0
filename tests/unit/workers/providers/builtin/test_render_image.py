"""Stills: sizes and types, restyled references, and repainting inside a mask."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.specs import ImageSpec
from workers.providers.builtin import RenderCancelled
from workers.providers.builtin.picture import fitted, opened

Specs = Callable[..., ImageSpec]
Stills = Callable[..., Path]


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int64)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_file_has_the_size_and_type_asked_for(
    image_spec: Specs, still: Stills, kind: str
) -> None:
    path = still(image_spec(size="320x256", output_mime_type=f"image/{kind}"))

    with Image.open(path) as picture:
        assert picture.format == kind.upper()
        assert picture.size == (320, 256)


def test_an_unknown_type_is_refused(image_spec: Specs, still: Stills) -> None:
    with pytest.raises(ValueError, match="type"):
        still(image_spec(output_mime_type="image/gif"))


def test_the_same_prompt_and_seed_give_the_same_pixels(image_spec: Specs, still: Stills) -> None:
    spec = image_spec("a paper boat, watercolour")

    assert still(spec, seed=3).read_bytes() == still(spec, seed=3).read_bytes()


def test_another_seed_is_another_picture(image_spec: Specs, still: Stills) -> None:
    one, other = (pixels(still(image_spec(), seed=seed)) for seed in (1, 2))

    assert np.abs(one - other).mean() > 8


def test_dropping_the_sun_changes_only_what_it_lights(image_spec: Specs, still: Stills) -> None:
    lit = pixels(still(image_spec("sunny desert at noon")))
    unlit = pixels(still(image_spec("sunny desert at noon", negative_prompt="sun")))

    assert lit.max(axis=2).max() > unlit.max(axis=2).max()
    assert np.abs(lit[-40:] - unlit[-40:]).mean() < 1


def test_a_reference_keeps_its_shapes_in_new_colours(
    image_spec: Specs, still: Stills, photo: bytes
) -> None:
    painted = pixels(still(image_spec("golden sunset"), references=[photo]))

    given = np.asarray(fitted(opened(photo), 256, 256)).astype(np.int64)
    assert np.abs(painted - given).mean() > 10
    bright = [block.mean() for block in (painted[:100, :100], painted[156:, 156:])]
    assert bright[0] < bright[1]  # as in the picture given: red is darker than yellow


def test_two_references_melt_into_one_picture(
    image_spec: Specs, still: Stills, photo: bytes, left_half: bytes
) -> None:
    one = pixels(still(image_spec("blue"), references=[photo]))
    both = pixels(still(image_spec("blue"), references=[photo, left_half]))

    assert np.abs(one - both).mean() > 5


def test_outside_the_mask_every_pixel_is_the_references(
    image_spec: Specs, still: Stills, photo: bytes, left_half: bytes
) -> None:
    painted = pixels(still(image_spec("night sky"), references=[photo], mask=left_half))

    given = np.asarray(fitted(opened(photo), 256, 256)).astype(np.int64)
    np.testing.assert_array_equal(painted[:, 128:], given[:, 128:])
    assert np.abs(painted[:, :120] - given[:, :120]).mean() > 10


def test_a_mask_without_a_reference_is_refused(
    image_spec: Specs, still: Stills, left_half: bytes
) -> None:
    with pytest.raises(ValueError, match="reference"):
        still(image_spec(), mask=left_half)


def test_progress_ends_at_the_last_step(image_spec: Specs, still: Stills) -> None:
    seen: list[tuple[int, int]] = []

    still(image_spec(), progress=lambda done, total: seen.append((done, total)))

    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_cancelled_still_stops_between_two_steps(image_spec: Specs, still: Stills) -> None:
    seen: list[int] = []

    with pytest.raises(RenderCancelled):
        still(
            image_spec(),
            progress=lambda done, total: seen.append(done),
            cancelled=lambda: len(seen) >= 1,
        )

    assert seen == [1]
