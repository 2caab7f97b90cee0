"""The media type of a file, by its first bytes alone; names and what callers say do not count.

Sources: PNG 3rd edition 5.2, ISO 10918-1 (JPEG), RFC 9649 (WebP), ISO 14496-12 (MP4), RFC 8794
(EBML, in WebM).
"""

from pathlib import Path

HEAD_BYTES = 64
UNKNOWN = "application/octet-stream"
EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
_MP4_BRANDS = {
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"mp41",
    b"mp42",
    b"avc1",
    b"M4V ",
}


def sniff_mime_type(head: bytes) -> str | None:
    """The media type that the first `HEAD_BYTES` bytes show; None for an unknown type."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and head[8:12] in _MP4_BRANDS:
        return "video/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head[:HEAD_BYTES]:
        return "video/webm"
    return None


def sniff_file(path: Path) -> str | None:
    """The media type that the file's first bytes show; None for anything not known here.

    Raises:
        OSError: when the file can't be read.
    """
    with path.open("rb") as file:
        return sniff_mime_type(file.read(HEAD_BYTES))
