"""Blobs in a local folder: each is one file that only its owner can read."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import obstore
from obstore.store import LocalStore

from core.blobs.failures import translated
from core.blobs.incoming import FolderParts, PartWriter, joined
from core.blobs.keys import DRAFTS, checked
from core.blobs.objects import ObjectBlobs
from core.blobs.signing import AddressSigner, Variant
from core.errors import BlobMissing, DependencyUnavailable, SettingsInvalid
from core.process.disk import sync
from core.uploads import Part

# One read costs a hop to a thread and back, so a piece is not small; each download holds one.
PIECE_BYTES = 1024 * 1024


class FolderBlobs(ObjectBlobs):
    """Blobs in `root`; see `core.blobs.Blobs`. A blob that was put survives a loss of power.

    Raises:
        SettingsInvalid: when the folder can't be made.
    """

    def __init__(self, root: Path, signer: AddressSigner) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            (root / DRAFTS).mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise SettingsInvalid(f"blob folder {root}: {error.strerror}") from None
        self._root = root.resolve()
        self._signer = signer
        super().__init__(LocalStore(self._root))

    def url(
        self,
        media_id: str,
        variant: Variant,
        *,
        mime_type: str,
        blob_key: str,
        expire_time_s: int,
    ) -> str:
        """An address of the HTTP process. It is signed here, because a folder can't sign."""
        return self._signer.url(media_id, variant, expire_time_s)

    def open_parts(self, name: str, parts: Sequence[Part], *, goes_on: bool) -> PartWriter:
        """What appends the next bytes of an upload to a file."""
        return FolderParts(self._root, checked(name), parts, goes_on=goes_on)

    def joined(self, parts: Sequence[Part]) -> AbstractContextManager[Path]:
        """A file with the bytes of all parts: the only part's own, or a copy."""
        if len(parts) == 1:
            path = self._root / checked(parts[0].key)
            with translated():
                if path.stat().st_size == parts[0].size:
                    return nullcontext(path)
        return joined(parts, self._read_part, self._root / DRAFTS)

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`; the file is opened before this returns.

        obstore is not used here: it reads files in small pieces, each of which costs more than its
        bytes.
        """
        self._guard(checked(key))
        if start >= end:
            return iter(())
        with translated():
            return _Pieces(os.open(self._root / key, os.O_RDONLY | os.O_NOFOLLOW), start, end)

    def _upload(self, draft: str, source: Path | bytes) -> None:
        # obstore is not used here. It hides its drafts, which end in #1, from its own listing, so
        # they would stay for ever after a crash. And it does not fsync.
        path = self._root / draft
        if isinstance(source, Path) and _linked(source, path):
            return
        path.parent.mkdir(exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(source, bytes):
                file.write(source)
            else:
                with source.open("rb") as original:
                    shutil.copyfileobj(original, file, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())

    def _verify(self, draft: str, size: int, digest: bytes) -> None:
        with (self._root / draft).open("rb") as file:
            arrived = hashlib.file_digest(file, "sha256").digest()
        if arrived != digest:
            raise DependencyUnavailable("blob store")

    def _publish(self, draft: str, key: str) -> None:
        final = self._root / key
        if not final.parent.is_dir():
            final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync(final.parent.parent)
        (self._root / draft).replace(final)
        # A rename does nothing when both names are of one file.
        (self._root / draft).unlink(missing_ok=True)
        sync(final.parent)

    def _delete(self, paths: list[str]) -> None:
        for path in paths:
            try:
                obstore.delete(self._store, path)
            except FileNotFoundError:
                continue

    def _guard(self, key: str) -> None:
        """Refuses a key that is a link, out of the folder or to another blob."""
        path = self._root / key
        if path.resolve() != path:
            raise BlobMissing


class _Pieces:
    """The bytes of an open file from `start` up to `end`, or to its own end if that comes earlier.

    Readers may leave before the first piece or after any other. `close` closes the file, or else
    the last reference that goes.
    """

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._descriptor = descriptor
        self._at, self._end = start, end

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with translated():
            piece = os.pread(self._descriptor, min(self._end - self._at, PIECE_BYTES), self._at)
        if not piece:
            raise StopIteration
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Closes the file; nothing may be read any more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def _linked(source: Path, path: Path) -> bool:
    """Gives the file a second, durable name instead of a copy; tells whether that was possible.

    It is not on another file system, and not when the source is no plain file.
    """
    if source.is_symlink():
        return False
    try:
        path.hardlink_to(source)
    except OSError:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, 0o600)
        # A blob is as old as its name: see `list_keys`.
        os.utime(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True
