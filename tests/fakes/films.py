"""Small videos for tests."""

from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream


def film(path: Path, kind: str, codec: str, frames: int = 48) -> Path:
    """Two seconds, dark at first and brighter with each frame."""
    options = {"movflags": "+faststart"} if kind == "mp4" else {}
    with av.open(str(path), "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=24)
        assert isinstance(stream, VideoStream)
        if kind == "webm":
            stream.options = {"deadline": "realtime", "cpu-used": "8"}
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(frames):
            pixels = np.full((360, 640, 3), number * 5, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path
