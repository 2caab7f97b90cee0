"""Bytes of an upload as they come in: parts that are kept one after another, and joined at the end.

A folder appends to one file for each receiver. An object store can't append, so it gets an object
for every few MiB; what is not kept yet waits in a file without a name.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from core.blobs.failures import translated
from core.blobs.keys import part_key
from core.errors import BlobMissing
from core.process.disk import sync
from core.uploads import Part

# An object that is smaller is written again, together with what follows it: so an upload in many
# small pieces has few objects.
SMALL_BYTES = 8 * 1024 * 1024


class PartWriter(Protocol):
    """Writes what comes next of one upload. One thread at a time uses it.

    Raises:
        StorageFull, DependencyUnavailable: when the store can't take the bytes.
    """

    def write(self, data: bytes) -> None:
        """Takes the next bytes; they are not kept yet."""

    def keep(self) -> tuple[Part, ...]:
        """All parts of the upload so far. Whatever was written survives a loss of power."""

    def close(self) -> None:
        """Forgets what was not kept. May be called again."""


class FolderParts:
    """Appends to a file in the folder `root`; see `PartWriter`.

    It goes on in the last part's file if the receiver before it is done with it. Otherwise that one
    may still write there, so a new file is begun.
    """

    def __init__(self, root: Path, name: str, parts: Sequence[Part], *, goes_on: bool) -> None:
        self._root = root
        self._before = tuple(parts)
        self._key, self._size = part_key(name), 0
        # Whether the file's name survives a loss of power.
        self._named = goes_on and bool(parts)
        if self._named:
            *before, last = parts
            self._before, self._key, self._size = tuple(before), last.key, last.size
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Appends the bytes."""
        with translated():
            _write(self._opened(), data)
        self._size += len(data)

    def keep(self) -> tuple[Part, ...]:
        """Syncs the file."""
        if self._file is not None:
            with translated():
                os.fsync(self._file.fileno())
                if not self._named:
                    sync((self._root / self._key).parent)
            self._named = True
        return (*self._before, Part(self._key, self._size)) if self._size else self._before

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO:
        if self._file is None:
            path = self._root / self._key
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True, mode=0o700)
                sync(self._root)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
            file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
            self._file = file
            if file.seek(0, os.SEEK_END) < self._size:
                raise BlobMissing
            # What is beyond was never kept.
            file.truncate(self._size)
            file.seek(self._size)
        return self._file


class ObjectParts:
    """Makes an object of all that is written between two calls of `keep`; see `PartWriter`.

    `put` stores a file under a key, `read` gives the bytes of one.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        put: Callable[[str, Path], None],
        read: Callable[[Part], Iterator[bytes]],
    ) -> None:
        self._name = name
        self._kept = tuple(parts)
        self._put, self._read = put, read
        self._number = self._size = 0
        self._file: Any = None

    def write(self, data: bytes) -> None:
        """Writes the bytes to a file of this machine."""
        with translated():
            if self._file is None:
                self._file = self._begun()
            _write(self._file, data)
        self._size += len(data)

    def keep(self) -> tuple[Part, ...]:
        """Puts an object. The small one before it that it contains is an orphan from now on."""
        if self._file is not None:
            size = self._size
            # What is beyond came before the disk was full.
            self._file.truncate(size)
            key = part_key(f"{self._name}.{self._number}")
            self._put(key, Path(self._file.name))
            self._number += 1
            self._kept = (*self._kept, Part(key, size))
            self.close()
        return self._kept

    def close(self) -> None:
        """Drops the file."""
        if self._file is not None:
            self._file.close()
            self._file, self._size = None, 0

    def _begun(self) -> Any:
        """A new file, which begins with the last object if that is a small one."""
        file: Any = tempfile.NamedTemporaryFile(buffering=0)  # noqa: SIM115
        if self._kept and self._kept[-1].size < SMALL_BYTES:
            *kept, last = self._kept
            try:
                _copy(self._read(last), file, last)
            except BaseException:
                file.close()
                raise
            self._kept, self._size = tuple(kept), last.size
        return file


@contextmanager
def joined(
    parts: Sequence[Part], read: Callable[[Part], Iterator[bytes]], folder: Path | None
) -> Iterator[Path]:
    """A file with the bytes of all parts, in `folder` or where temporary files are.

    Raises:
        BlobMissing: when a part is gone, or is shorter than it was.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix="joined-", delete=False) as file:
        path = Path(file.name)
        try:
            for part in parts:
                with translated():
                    _copy(read(part), file, part)
            file.flush()
            yield path
        finally:
            path.unlink(missing_ok=True)


def _write(file: Any, data: bytes) -> None:
    """Writes all of it; a file without a buffer may take less at a time."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _copy(pieces: Iterator[bytes], file: Any, part: Part) -> None:
    begun = file.tell()
    for piece in pieces:
        _write(file, piece)
    if file.tell() - begun != part.size:
        raise BlobMissing
