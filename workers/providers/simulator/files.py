"""The files that the simulator delivers: real, small and fast to make. A seed names a file."""

import colorsys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw

from core.specs import ImageSpec, Spec, VideoSpec
from workers.providers.builtin.sizes import image_size, video_size

# Few frames, because most of the time goes into encoding them.
FRAMES_PER_SECOND = 4
_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "35", "threads": "1"}
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_BAR_SHARE = 8
NO_MEDIA = b"This is no image and no video.\n"


def make_file(spec: Spec, seed: int, path: Path) -> None:
    """Writes the file that the spec asks for: a plain colour by the seed, with a bar in it."""
    _MAKE[spec.kind](spec, seed, path)


def _make_image(spec: ImageSpec, seed: int, path: Path) -> None:
    width, height = image_size(spec.size)
    picture = Image.new("RGB", (width, height), _colour(seed))
    bar = max(1, width // _BAR_SHARE)
    ImageDraw.Draw(picture).rectangle((0, 0, bar, height), fill="white")
    options = {"compress_level": 1} if spec.output_mime_type == "image/png" else {}
    picture.save(path, _FORMATS[spec.output_mime_type], **options)


def _make_video(spec: VideoSpec, seed: int, path: Path) -> None:
    width, height = video_size(spec.aspect_ratio, spec.resolution)
    count = max(1, spec.duration_ms * FRAMES_PER_SECOND // 1000)
    film = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
    with film:
        stream = film.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_ENCODER)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(count):
            frame = _frame(width, height, seed, number / count)
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())


def _frame(width: int, height: int, seed: int, share: float) -> av.VideoFrame:
    """A plain frame; the bar is at that share of its width."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, level in zip(frame.planes, _levels(seed), strict=True):
        memory = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        memory[:] = level
        if plane.width == width:
            begin = int(width * share)
            memory[:, begin : begin + max(1, width // _BAR_SHARE)] = 235
    return frame


def _colour(seed: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb((seed % 360) / 360, 0.6, 0.7)
    return round(red * 255), round(green * 255), round(blue * 255)


def _levels(seed: int) -> tuple[int, int, int]:
    """The colour as brightness and two differences, BT.601."""
    red, green, blue = _colour(seed)
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(bright), round(128 + (blue - bright) * 0.564), round(128 + (red - bright) * 0.713)


# By the kind of job.
_MAKE: dict[str, Callable[[Any, int, Path], None]] = {"video": _make_video, "image": _make_image}
