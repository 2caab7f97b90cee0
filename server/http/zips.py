"""A ZIP that is made while it is read: stored, never in memory, with ZIP64 where it is needed.

Python's own `zipfile` writes to whatever can't seek (ADR 0019). Sizes and checksums then stand
behind the bytes of each file, and in the directory at the end.
"""

import time
from collections.abc import Generator, Iterator
from zipfile import ZIP_STORED, ZipFile, ZipInfo

_UNIX = 3
_PERMISSIONS = 0o644 << 16
# ZIP knows no earlier time.
_FIRST_SECOND = 315532800


class _Pipe:
    """What `ZipFile` writes to, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keeps the bytes."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def take(self) -> bytes:
        """The bytes since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class ZipStream:
    """A ZIP, file by file. One thread at a time uses it."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        self._zip = ZipFile(self._pipe, "w", ZIP_STORED)  # type: ignore[call-overload]

    def add(
        self, name: str, time_s: float, size: int, pieces: Iterator[bytes]
    ) -> Generator[bytes, None, None]:
        """The bytes of the ZIP for a file of that name, time and size.

        Raises:
            EOFError: when the pieces are not as many bytes.
        """
        info = ZipInfo(name, time.gmtime(max(time_s, _FIRST_SECOND))[:6])
        info.create_system, info.external_attr = _UNIX, _PERMISSIONS
        # So it is known beforehand whether the file needs ZIP64.
        info.file_size = size
        left = size
        with self._zip.open(info, "w") as file:
            for piece in pieces:
                left -= len(piece)
                if left < 0:
                    break
                file.write(piece)
                yield self._pipe.take()
        if left:
            raise EOFError("a file of an export has not the bytes that its row says")
        yield self._pipe.take()

    def end(self) -> bytes:
        """The directory of all files; nothing can be added any more."""
        self._zip.close()
        return self._pipe.take()
