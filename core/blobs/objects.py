"""Blobs in an object store: S3, and by the same code, untried, Google Cloud Storage and Azure."""

import functools
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store, from_url

from core.blobs.failures import translated
from core.blobs.incoming import ObjectParts, PartWriter, joined
from core.blobs.keys import DRAFTS, checked, is_key
from core.blobs.signing import Variant
from core.errors import BlobMissing, DependencyUnavailable, SettingsInvalid
from core.files.sniff import HEAD_BYTES, UNKNOWN, sniff_mime_type
from core.ids import new_id
from core.uploads import Part

PIECE_BYTES = 256 * 1024
# Signed addresses that are kept, of about 500 bytes each.
MAX_PRESIGNED = 10_000
# Each part has 5 MiB; obstore's own 12 parts take 66 MiB of memory for a large file.
PARTS_AT_ONCE = 4
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def connect(address: str) -> ObjectStore:
    """The store at `address`; plain http only to loopback, unless AWS_ALLOW_HTTP says otherwise.

    Raises:
        SettingsInvalid: when the address or the environment's options are wrong.
    """
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    local = urlsplit(endpoint).hostname in _LOOPBACK
    try:
        return from_url(
            address,
            config=None,
            client_options={"allow_http": True} if local else None,
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=20)},
        )
    except (BaseError, ValueError):
        raise SettingsInvalid("RUSHES_BLOB_URL: the store's options are wrong") from None


class ObjectBlobs:
    """Blobs in one bucket or container; see `core.blobs.Blobs`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._presigned = functools.lru_cache(MAX_PRESIGNED)(self._presign)

    def put_file(self, key: str, path: Path, digest: bytes = b"") -> None:
        """Uploads a draft, compares what arrived, then gives the draft its name."""
        if not digest:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        self._put(key, path, path.stat().st_size, digest)

    def put_bytes(self, key: str, data: bytes) -> None:
        """As `put_file`."""
        self._put(key, data, len(data), hashlib.sha256(data).digest())

    def open_parts(self, name: str, parts: Sequence[Part], *, goes_on: bool) -> PartWriter:
        """What writes the next parts of an upload, each an object."""
        return ObjectParts(checked(name), parts, put=self._put_part, read=self._read_part)

    def joined(self, parts: Sequence[Part]) -> AbstractContextManager[Path]:
        """A file of this machine with the bytes of all parts."""
        return joined(parts, self._read_part, None)

    def read(self, key: str) -> bytes:
        """All bytes of a blob."""
        self._guard(checked(key))
        with translated():
            return bytes(obstore.get(self._store, key).bytes())

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`; the blob is opened before this returns."""
        self._guard(checked(key))
        if start >= end:
            return iter(())
        with translated():
            result = obstore.get(self._store, key, options={"range": (start, end)})
        return _pieces(iter(result.stream(min_chunk_size=PIECE_BYTES)))

    def size(self, key: str) -> int:
        """Bytes of a blob."""
        self._guard(checked(key))
        with translated():
            return obstore.head(self._store, key)["size"]

    def delete(self, keys: Iterable[str]) -> None:
        """Erases the blobs that are there."""
        paths = [checked(key) for key in keys]
        if paths:
            with translated():
                self._delete(paths)

    def list_keys(self, prefix: str, older_than_ms: int) -> Iterator[str]:
        """Keys in the folder `prefix` last written before `older_than_ms`; no files of others."""
        with translated():
            for batch in obstore.list(self._store, checked(prefix.rstrip("/"))):
                for meta in batch:
                    young = meta["last_modified"].timestamp() * 1000 >= older_than_ms
                    if not young and is_key(meta["path"]):
                        yield meta["path"]

    def url(
        self,
        media_id: str,
        variant: Variant,
        *,
        mime_type: str,
        blob_key: str,
        expire_time_s: int,
    ) -> str:
        """An address that the store signs; its content type was set when the blob was put.

        The store signs the time too, so it would give another address at each call. This keeps
        what it gave, so that callers can cache by address.
        """
        return self._presigned(blob_key, expire_time_s)

    def _presign(self, blob_key: str, expire_time_s: int) -> str:
        seconds = max(1, expire_time_s - int(time.time()))
        store = cast(S3Store | GCSStore | AzureStore, self._store)
        with translated():
            return obstore.sign(store, "GET", checked(blob_key), timedelta(seconds=seconds))

    def check(self) -> None:
        """Writes, reads and erases a probe."""
        key = f"{DRAFTS}{new_id()}"
        self.put_bytes(key, b"probe")
        if self.read(key) != b"probe":
            raise DependencyUnavailable("blob store")
        self.delete([key])

    def _put_part(self, key: str, path: Path) -> None:
        try:
            with translated():
                # Of many uploads at once each takes the memory of one part.
                obstore.put(self._store, checked(key), path, max_concurrency=1)
        except BlobMissing as error:  # the bucket is gone
            raise DependencyUnavailable("blob store") from error

    def _read_part(self, part: Part) -> Iterator[bytes]:
        return self.stream(part.key, 0, part.size)

    def _put(self, key: str, source: Path | bytes, size: int, digest: bytes) -> None:
        draft = f"{DRAFTS}{new_id()}"
        checked(key)
        try:
            with translated():
                self._upload(draft, source)
                self._verify(draft, size, digest)
                self._publish(draft, key)
        except BaseException as error:
            self._discard(draft)
            if isinstance(error, BlobMissing):  # for a write: the bucket or the folder is gone
                raise DependencyUnavailable("blob store") from error
            raise

    def _upload(self, draft: str, source: Path | bytes) -> None:
        kind = sniff_mime_type(_head(source)) or UNKNOWN
        attributes = {"Content-Type": kind}
        obstore.put(
            self._store, draft, source, attributes=attributes, max_concurrency=PARTS_AT_ONCE
        )

    def _verify(self, draft: str, size: int, digest: bytes) -> None:
        if obstore.head(self._store, draft)["size"] != size:
            raise DependencyUnavailable("blob store")
        arrived = hashlib.sha256()
        for piece in self.stream(draft, 0, size):
            arrived.update(piece)
        if arrived.digest() != digest:
            raise DependencyUnavailable("blob store")

    def _publish(self, draft: str, key: str) -> None:
        obstore.rename(self._store, draft, key)

    def _delete(self, paths: list[str]) -> None:
        obstore.delete(self._store, paths)

    def _discard(self, draft: str) -> None:
        """Erases a draft if that is possible; the purge erases the others."""
        try:
            self._delete([draft])
        except (BaseError, OSError):
            return

    def _guard(self, key: str) -> None:
        """Refuses a key that leads elsewhere; none does, because an object store has no links."""


def _pieces(stream: Iterator[bytes]) -> Iterator[bytes]:
    with translated():
        for piece in stream:
            yield bytes(piece)


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)
