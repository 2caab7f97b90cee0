"""Videos: what a file is, and a picture of it.

FFmpeg reads the file packet by packet, so a video is never whole in memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from core.errors import VideoRefused
from core.files.sniff import sniff_file

MAX_VIDEO_PIXELS = 8192 * 4320
_POSTER_SECONDS = 1.0
# By so much the header may be wrong about the duration.
_SLACK_SECONDS = 0.5
_MAX_POSTER_FRAMES = 300
_DEMUXERS = {"video/mp4": "mp4", "video/webm": "matroska"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What a video file is. Sides in pixels, duration in milliseconds."""

    mime_type: str
    width: int
    height: int
    duration_ms: int


def probe_video(path: Path) -> VideoInfo:
    """What the video is. It reads every packet and decodes the first frame, so the file is whole.

    Raises:
        VideoRefused: when it is no MP4 or WebM with a picture, too large, or damaged.
    """
    mime_type = sniff_file(path) or ""
    with _opened(path, mime_type) as (container, stream):
        frame, end = _read_through(container, stream)
        if stream.duration is not None and end < stream.duration - _ticks(stream, _SLACK_SECONDS):
            raise VideoRefused("it is damaged or not whole")
        duration_ms = _duration_ms(container, stream)
        if duration_ms <= 0:
            raise VideoRefused("it has no frames")
        return VideoInfo(
            mime_type=mime_type, width=frame.width, height=frame.height, duration_ms=duration_ms
        )


def picture_of(path: Path) -> Image.Image:
    """The frame of the video a moment after its start.

    Raises:
        VideoRefused: as `probe_video`.
    """
    with _opened(path, sniff_file(path) or "") as (container, stream):
        moment = min(_POSTER_SECONDS, _duration_ms(container, stream) / 2000)
        frame = _frame_at(container, stream, moment)
        picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        return picture


@contextmanager
def _opened(path: Path, mime_type: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    if mime_type not in _DEMUXERS:
        raise VideoRefused("it is not an MP4 or WebM video")
    try:
        # A container may name other files and addresses: only this file is read.
        options = {"protocol_whitelist": "file"}
        with av.open(path, format=_DEMUXERS[mime_type], options=options) as container:
            yield container, _checked_stream(container)
    except (av.FFmpegError, ValueError) as error:
        raise VideoRefused("it is damaged or not whole") from error


def _checked_stream(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise VideoRefused("it has no picture")
    stream = container.streams.video[0]
    if stream.codec_context is None:  # FFmpeg knows no such codec
        raise VideoRefused("it has a codec that is not known here")
    if stream.width * stream.height > MAX_VIDEO_PIXELS:
        raise VideoRefused("it has too many pixels")
    # The frames may be larger than the header says.
    stream.codec_context.options = {"max_pixels": str(MAX_VIDEO_PIXELS)}
    stream.codec_context.thread_count = 1
    return stream


def _duration_ms(container: InputContainer, stream: VideoStream) -> int:
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base * 1000)
    return round((container.duration or 0) * 1000 / av.time_base)


def _read_through(container: InputContainer, stream: VideoStream) -> tuple[VideoFrame, int]:
    """The first frame, and the end of the last packet in ticks of the stream."""
    first: VideoFrame | None = None
    end = 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise VideoRefused("it is damaged or not whole")
        if first is None:
            first = next(iter(packet.decode()), None)
        if packet.pts is not None:
            end = max(end, packet.pts + (packet.duration or 0))
    if first is None:
        raise VideoRefused("it has no frames")
    return first, end


def _ticks(stream: VideoStream, seconds: float) -> int:
    return round(seconds / stream.time_base) if stream.time_base else 0


def _frame_at(container: InputContainer, stream: VideoStream, seconds: float) -> VideoFrame:
    best: VideoFrame | None = None
    for count, frame in enumerate(container.decode(stream)):
        best = frame
        if (frame.time or 0.0) >= seconds or count >= _MAX_POSTER_FRAMES:
            break
    if best is None:
        raise VideoRefused("it has no frames")
    return best
