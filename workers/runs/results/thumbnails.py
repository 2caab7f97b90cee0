"""The small picture of a media item that the library shows."""

from pathlib import Path

from core.files.images import encode_thumbnail, make_thumbnail
from core.files.sniff import sniff_file
from core.files.videos import picture_of


def make_media_thumbnail(path: Path) -> bytes:
    """The WebP thumbnail of an image or a video file.

    Raises:
        ImageRefused, VideoRefused: when no picture of it can be decoded.
    """
    if (sniff_file(path) or "").startswith("video/"):
        return encode_thumbnail(picture_of(path))
    return make_thumbnail(path)
