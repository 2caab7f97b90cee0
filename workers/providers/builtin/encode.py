"""Writes frames to an MP4 file: H.264, yuv420p, 24 frames a second, with the index in front."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation

from workers.providers.builtin.noise import F32

FRAMES_PER_SECOND = 24

#: One thread, because a worker renders several films at once; superfast leaves room for painting.
_ENCODER = {"preset": "superfast", "crf": "22", "threads": "1"}


class Film:
    """An MP4 file that is being written. It scales frames of another size to the size of the film.

    It is a context manager. An exception leaves an unfinished file behind.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        options = {"movflags": "+faststart"}
        self._file = av.open(str(path), "w", format="mp4", options=options)
        self._stream = self._file.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_ENCODER)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.thread_count = 1
        # BT.709, limited range. Without these fields players guess from the frame size.
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        self._count = 0
        self._source: av.VideoFrame | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._file.mux(self._stream.encode())
        finally:
            self._file.close()

    def add(self, light: F32) -> None:
        """Appends a frame: (3, height, width) red, green, blue of 0..255."""
        context = self._stream.codec_context
        frame = self._planar(light).reformat(
            width=context.width,
            height=context.height,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            interpolation=Interpolation.BICUBIC,
        )
        frame.pts = self._count
        frame.time_base = Fraction(1, FRAMES_PER_SECOND)
        self._file.mux(self._stream.encode(frame))
        self._count += 1

    def _planar(self, light: F32) -> av.VideoFrame:
        """The light written into the one source frame, whose planes are green, blue, red."""
        _, height, width = light.shape
        if self._source is None:
            self._source = av.VideoFrame(width, height, "gbrp")
        for plane, channel in zip(self._source.planes, (1, 2, 0), strict=True):
            memory = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            np.copyto(memory[:height, :width], light[channel], casting="unsafe")
        return self._source
