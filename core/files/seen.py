"""What a file is and how it looks, in one go. The decoders run in the calling process.

Only `core.decoding` calls this for strangers' files.
"""

from dataclasses import dataclass
from pathlib import Path

from core.files.images import encode_thumbnail, read_image
from core.files.sniff import sniff_file
from core.files.videos import picture_of, probe_video


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a decoded file is. Sides in pixels as it is shown, duration in milliseconds, None for an
    image; the thumbnail is a WebP picture, or the shrunk image that was asked for."""

    mime_type: str
    width: int
    height: int
    duration_ms: int | None
    thumbnail: bytes


def see(path: Path, max_pixels: int, *, videos: bool, shrink_to: int = 0) -> Seen:
    """The file, all of it decoded if it is an image; `max_pixels` and `shrink_to` are for images.

    Raises:
        ImageRefused, VideoRefused: when it is no PNG, JPEG, WebP (or, with `videos`, MP4 or WebM),
            is too large, or is damaged.
    """
    if (sniff_file(path) or "").startswith("video/") and videos:
        video = probe_video(path)
        return Seen(
            mime_type=video.mime_type,
            width=video.width,
            height=video.height,
            duration_ms=video.duration_ms,
            thumbnail=encode_thumbnail(picture_of(path)),
        )
    info, thumbnail = read_image(path, max_pixels, shrink_to)
    return Seen(
        mime_type=info.mime_type,
        width=info.width,
        height=info.height,
        duration_ms=None,
        thumbnail=thumbnail,
    )
