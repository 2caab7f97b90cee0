"""The form of a backup: a gzipped tar of regular files, its manifest last.

The name of each file begins with a part of the installation: `database/`, `blobs/`, `keys/`,
`journal/` or `simulator/`. The manifest has the digest of each file. So an archive that was cut off
or changed is noticed before anything of it is used.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import secrets
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from core.errors import RushesError
from core.process.disk import sync

FORMAT = 1
MANIFEST = "manifest.json"
PARTS = ("database", "blobs", "keys", "journal", "simulator")
# Images and videos hardly shrink, and the other files are small.
_LEVEL = 1
_MAX_MANIFEST_BYTES = 1024**3
_CHUNK = 1024 * 1024


class BackupUnusable(RushesError):
    """The file is not a complete backup."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a backup."""

    size: int
    sha256: str


@dataclass(slots=True)
class Manifest:
    """What a backup holds. `blobs` is False when an object store keeps them."""

    version: str
    blobs: bool
    format: int = FORMAT
    create_time: float = field(default_factory=time.time)
    files: dict[str, Entry] = field(default_factory=dict)


class ArchiveWriter:
    """Adds files to a backup."""

    def __init__(self, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self._tar = tar
        self._manifest = manifest

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Adds the first `size` bytes of the source under that name."""
        reader = _Digesting(source)
        self._write(name, reader, size)
        self._manifest.files[name] = Entry(size, reader.digest.hexdigest())

    def add_manifest(self) -> None:
        """Adds the last file. Without it the archive is not complete."""
        data = json.dumps(asdict(self._manifest)).encode()
        self._write(MANIFEST, io.BytesIO(data), len(data))

    def _write(self, name: str, source: Any, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(self._manifest.create_time)
        self._tar.addfile(info, source)


class _Digesting:
    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


@contextlib.contextmanager
def packing(file: IO[bytes], manifest: Manifest) -> Iterator[ArchiveWriter]:
    """Writes a backup. It is complete when the block ends without an error."""
    with (
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL) as packed,
        tarfile.open(fileobj=packed, mode="w|") as tar,
    ):
        writer = ArchiveWriter(tar, manifest)
        yield writer
        writer.add_manifest()


def unpack(source: Path, place: Callable[[str], Path]) -> Manifest:
    """Writes each file of a backup below the folder of its part (`place`), and checks all files.

    Raises:
        BackupUnusable: when the file is not a backup, is not complete, or was changed.
    """
    try:
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r|gz") as tar:
            manifest, found = _unpack(tar, place)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile):
        raise BackupUnusable(f"{source} is damaged, or not a backup.") from None
    if manifest is None or manifest.files != found:
        raise BackupUnusable(f"{source} is not complete, or was changed.")
    return manifest


def _unpack(
    tar: tarfile.TarFile, place: Callable[[str], Path]
) -> tuple[Manifest | None, dict[str, Entry]]:
    manifest: Manifest | None = None
    found: dict[str, Entry] = {}
    for member in tar:
        content = tar.extractfile(member) if member.isreg() else None
        if content is None or manifest is not None or member.name in found:
            raise BackupUnusable(f"The backup holds what it must not: {member.name!r}.")
        if member.name == MANIFEST:
            manifest = _read_manifest(content.read(_MAX_MANIFEST_BYTES))
        else:
            found[member.name] = _unpack_one(content, _path(place, member.name))
    return manifest, found


def _path(place: Callable[[str], Path], name: str) -> Path:
    """The path of the file, never outside the folder of its part."""
    part, *rest = name.split("/")
    plain = rest and all(item not in ("", ".", "..") and "\0" not in item for item in rest)
    if part not in PARTS or not plain:
        raise BackupUnusable(f"The backup holds what it must not: {name!r}.")
    return place(part) / PurePosixPath(*rest)


def _unpack_one(content: IO[bytes], path: Path) -> Entry:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while data := content.read(_CHUNK):
            digest.update(data)
            size += len(data)
            file.write(data)
    return Entry(size, digest.hexdigest())


def _read_manifest(data: bytes) -> Manifest:
    try:
        values = json.loads(data)
        if values["format"] != FORMAT:
            raise BackupUnusable("The backup was written by a newer version of Rushes.")
        files = {name: Entry(**entry) for name, entry in values["files"].items()}
        return Manifest(**{**values, "files": files})
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BackupUnusable("The manifest of the backup can't be read.") from None


@contextlib.contextmanager
def appearing(target: Path) -> Iterator[IO[bytes]]:
    """A new private file that gets its name when it is complete and on the disk."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(target.parent)
