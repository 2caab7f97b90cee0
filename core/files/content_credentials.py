"""Finds out whether a media file carries Content Credentials: an embedded C2PA manifest store.

The code seeks from part to part and looks only where a store may be, so a file of any size costs a
few kilobytes of memory. It verifies nothing, because that needs somebody to trust (docs/adr/0011).
A manifest that the file only links to (XMP) doesn't count. WebM has no place for one.

Sources: C2PA 2.2, appendix A.3 (embedding); ISO 19566-5 (JUMBF); and those of `core.files.sniff`.
"""

import os
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from core.files.sniff import HEAD_BYTES, sniff_mime_type

# More parts than any whole file has at its top level: a fragment per second for nine hours.
MAX_PARTS = 65_536
_BOX_IN_MP4 = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_STORE = b"c2pa" + bytes.fromhex("00110010800000aa00389b71")
_STORE_HEAD = 32  # bytes: box length, "jumb", box length, "jumd", the type of its content
_START_OF_SCAN = 0xDA
_ALONE = (0x01, *range(0xD0, 0xD9))  # JPEG markers without a length

_Walk = Callable[[BinaryIO], Iterator[bool]]


def has_content_credentials(path: Path) -> bool:
    """Whether a manifest store is embedded; False for unknown types and for damage before it.

    Raises:
        OSError: when the file can't be read.
    """
    with path.open("rb") as file:
        walk = _WALKS.get(sniff_mime_type(file.read(HEAD_BYTES)) or "")
        return walk is not None and any(islice(walk(file), MAX_PARTS))


def _is_store(head: bytes) -> bool:
    """Whether these bytes begin a JUMBF box whose content is a manifest store."""
    return head[4:8] == b"jumb" and head[12:16] == b"jumd" and head[16:_STORE_HEAD] == _STORE


def _jpeg(file: BinaryIO) -> Iterator[bool]:
    file.seek(2)
    while len(marker := file.read(2)) == 2 and marker[0] == 0xFF and marker[1] != _START_OF_SCAN:
        begun = file.tell()
        if marker[1] == 0xFF:  # a fill byte
            yield False
            file.seek(begun - 1)
        elif marker[1] in _ALONE:
            yield False
        else:
            # Length, then "JP", box instance, number of the piece. Only the first has a beginning.
            head = file.read(2 + 8 + _STORE_HEAD)
            yield marker[1] == 0xEB and head[2:4] == b"JP" and _is_store(head[10:])
            if len(head) < 2:
                return
            file.seek(begun + max(int.from_bytes(head[:2]), 2))


def _png(file: BinaryIO) -> Iterator[bool]:
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        after = file.tell() + size + 4
        yield kind == b"caBX" and _is_store(file.read(_STORE_HEAD))
        file.seek(after)


def _webp(file: BinaryIO) -> Iterator[bool]:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        after = file.tell() + size + size % 2
        yield kind == b"C2PA" and _is_store(file.read(_STORE_HEAD))
        file.seek(after)


def _mp4(file: BinaryIO) -> Iterator[bool]:
    end = file.seek(0, os.SEEK_END)
    begun = file.seek(0)
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if size == 1:
            size = int.from_bytes(file.read(8))
        yield kind == b"uuid" and file.read(16) == _BOX_IN_MP4
        if size < 8:  # 0 means up to the end of the file; other numbers are no sizes
            return
        begun += size
        if begun >= end:  # a file system refuses to go as far as a box may claim to
            return
        file.seek(begun)


_WALKS: dict[str, _Walk] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
    "video/mp4": _mp4,
}
