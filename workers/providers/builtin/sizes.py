"""The pixels of a frame, from a ratio with a resolution or from a written size."""

import math

#: Canvas pixels of one film frame. Larger frames are painted at this size and scaled by the
#: encoder's scaler, which keeps 720p faster than real time on one core.
FILM_CANVAS_PIXELS = 960 * 540

#: Canvas pixels of a still; a larger still is painted at this size and scaled.
STILL_CANVAS_PIXELS = 1280 * 1024

_SHORT_SIDES = {"360p": 360, "480p": 480, "720p": 720, "1080p": 1080}
_RATIOS = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1), "4:3": (4, 3), "3:4": (3, 4)}


def video_size(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Width and height in pixels, both even; the resolution names the shorter side.

    Raises ValueError for a ratio or a resolution that isn't known.
    """
    try:
        wide, high = _RATIOS[aspect_ratio]
        short = _SHORT_SIDES[resolution]
    except KeyError as unknown:
        raise ValueError(f"no such ratio or resolution: {unknown}") from None
    long = round(short * max(wide, high) / min(wide, high) / 2) * 2
    return (long, short) if wide >= high else (short, long)


def image_size(size: str) -> tuple[int, int]:
    """Width and height of a written size such as "1024x1024".

    Raises ValueError when it isn't two numbers of 16 to 4096.
    """
    try:
        width, height = (int(side) for side in size.split("x"))
    except ValueError:
        raise ValueError(f"not a size: {size!r}") from None
    if not (16 <= width <= 4096 and 16 <= height <= 4096):
        raise ValueError(f"not a size: {size!r}")
    return width, height


def canvas_size(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The size to paint at: the frame's own, or scaled down to about `pixels`."""
    scale = min(1.0, math.sqrt(pixels / (width * height)))
    return max(16, round(width * scale)), max(16, round(height * scale))
