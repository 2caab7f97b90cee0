"""Real media that a fake delivers: small, playable, made once."""

import functools
import io
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

FRAMES_PER_SECOND = 4
NO_MEDIA = b"This is no image and no video.\n"
CHUNK = 1024 * 1024
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


@functools.cache
def image(mime_type: str = "image/png", width: int = 64, height: int = 64) -> bytes:
    """An image of that size in pixels."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (40, 120, 220)).save(file, _FORMATS[mime_type])
    return file.getvalue()


@functools.cache
def video(seconds: int = 1, width: int = 64, height: int = 36) -> bytes:
    """An mp4 of H.264, with the index in front."""
    # A file, because the index is moved to the front at last.
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        _film(file.name, seconds, width, height)
        return Path(file.name).read_bytes()


def _film(path: str, seconds: int, width: int, height: int) -> None:
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as film:
        stream = film.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(seconds * FRAMES_PER_SECOND):
            picture = np.full((height, width, 3), 10 * number % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())


def big_video(size: int) -> Iterator[bytes]:
    """A playable mp4 of exactly `size` bytes, in chunks: behind the film comes one empty box."""
    film = video()
    box = size - len(film)
    # ISO 14496-12: a size of 1 says that the true one follows in 64 bits.
    yield film + (1).to_bytes(4) + b"free" + box.to_bytes(8)
    left, empty = box - 16, bytes(CHUNK)
    while left > 0:
        yield empty[: min(left, CHUNK)]
        left -= CHUNK
