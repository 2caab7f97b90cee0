"""Sizes: what ratios with resolutions, and written sizes, come to."""

import itertools

import pytest

from workers.providers.builtin import image_size, video_size
from workers.providers.builtin.sizes import canvas_size


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        ("16:9", "720p", (1280, 720)),
        ("9:16", "720p", (720, 1280)),
        ("1:1", "720p", (720, 720)),
        ("4:3", "720p", (960, 720)),
        ("3:4", "1080p", (1080, 1440)),
        ("16:9", "480p", (854, 480)),
        ("16:9", "1080p", (1920, 1080)),
    ],
)
def test_the_resolution_names_the_shorter_side(
    ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    assert video_size(ratio, resolution) == size


def test_both_sides_are_even() -> None:
    ratios, resolutions = ("16:9", "9:16", "1:1", "4:3", "3:4"), ("360p", "480p", "720p", "1080p")
    for ratio, resolution in itertools.product(ratios, resolutions):
        assert all(side % 2 == 0 for side in video_size(ratio, resolution))


@pytest.mark.parametrize(("ratio", "resolution"), [("2:1", "720p"), ("16:9", "8k")])
def test_an_unknown_size_of_film_is_refused(ratio: str, resolution: str) -> None:
    with pytest.raises(ValueError, match="no such"):
        video_size(ratio, resolution)


@pytest.mark.parametrize("size", ["", "1024", "0x0", "axb", "99999x99999", "1x2x3"])
def test_what_is_no_size_of_a_still_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        image_size(size)


def test_a_large_frame_is_painted_smaller() -> None:
    assert canvas_size(640, 360, 960 * 540) == (640, 360)
    assert canvas_size(1920, 1080, 960 * 540) == (960, 540)
