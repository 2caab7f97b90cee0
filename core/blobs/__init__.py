"""Bytes of media items, in a local folder or an object store; a blob is whole or absent.

The server makes the keys: see `keys`. A blob that no row names is an orphan;
`workers/upkeep/purge.py` erases it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from core.blobs.folder import FolderBlobs
from core.blobs.incoming import PartWriter
from core.blobs.keys import content_key, thumbnail_key
from core.blobs.objects import ObjectBlobs, connect
from core.blobs.signing import AddressSigner, Variant
from core.errors import SettingsInvalid
from core.process.settings import Settings
from core.uploads import Part

__all__ = [
    "AddressSigner",
    "Blobs",
    "PartWriter",
    "Variant",
    "content_key",
    "open_blobs",
    "thumbnail_key",
]

_OBJECT_STORES = ("s3://", "gs://", "az://")


class Blobs(Protocol):
    """Where bytes live. Every method may be called from any thread.

    Raises:
        BlobMissing: when a key that is read holds nothing.
        StorageFull: when there is no room for what is written.
        DependencyUnavailable: when the store can't be reached, or refuses.
        ValueError: for a key that the server can't have made.
    """

    def put_file(self, key: str, path: Path, digest: bytes = b"") -> None:
        """Stores the file's bytes under `key`, all or none; what was there is replaced.

        Nobody may write to the file any more, because a folder may keep it instead of a copy.
        Who knows the SHA-256 of the file already may say so.
        """

    def put_bytes(self, key: str, data: bytes) -> None:
        """Stores `data` under `key`, all or none; what was there is replaced."""

    def open_parts(self, name: str, parts: Sequence[Part], *, goes_on: bool) -> PartWriter:
        """What writes the next parts of an upload, after those that are kept.

        `name` is of this receiver alone. With `goes_on` the receiver before it has let go, so that
        the last part may be continued.
        """

    def joined(self, parts: Sequence[Part]) -> AbstractContextManager[Path]:
        """A local file with the bytes of all parts, to be read only while the block lasts."""

    def read(self, key: str) -> bytes:
        """All bytes of a blob."""

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`; a missing blob raises at once."""

    def size(self, key: str) -> int:
        """Bytes of a blob."""

    def delete(self, keys: Iterable[str]) -> None:
        """Erases the blobs; one that is not there is fine."""

    def list_keys(self, prefix: str, older_than_ms: int) -> Iterator[str]:
        """Keys in the folder `prefix` ("media/") last written before that time, ms of the epoch."""

    def url(
        self,
        media_id: str,
        variant: Variant,
        *,
        mime_type: str,
        blob_key: str,
        expire_time_s: int,
    ) -> str:
        """A signed, absolute address of the blob until `expire_time_s`, seconds of the epoch."""

    def check(self) -> None:
        """Writes, reads and erases a probe; returns when the store works."""


def open_blobs(settings: Settings, signing_key: bytes) -> Blobs:
    """The blob store that `settings.blobs` names.

    Object stores take keys, regions and endpoints from AWS_*, GOOGLE_* or AZURE_* variables.

    Raises:
        SettingsInvalid: when the address names no store that we know.
    """
    address = settings.blobs
    if address.startswith("file://"):
        signer = AddressSigner(settings.address, signing_key)
        return FolderBlobs(Path(address.removeprefix("file://")), signer)
    if address.startswith(_OBJECT_STORES):
        return ObjectBlobs(connect(address))
    raise SettingsInvalid("RUSHES_BLOB_URL: use file:///path, s3://, gs:// or az://")
