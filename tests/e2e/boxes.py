"""What is in an MP4 file, by its own words."""

from collections.abc import Iterator
from pathlib import Path

HEAD_BYTES = 8


def box_names(path: Path) -> Iterator[str]:
    """The boxes of the outermost level, in order."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        assert size >= HEAD_BYTES, "a box of 64 bits, or broken"
        yield data[at + 4 : at + HEAD_BYTES].decode("ascii")
        at += size
