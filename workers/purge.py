"""Empties the bin, and erases bytes that no row names: what a crash between two steps left."""

from collections.abc import Iterator
from dataclasses import dataclass

from core.blobs import Blobs
from core.store import Database, media

# Bytes are put before their row is written, so young ones may just be waiting for it. A worker
# that is frozen for longer has lost its job by then and writes no row.
ORPHAN_AGE_MS = 3600 * 1000
_BATCH = 200
_DRAFTS = "tmp/"
_FOLDERS = ("media/", "thumbnails/")


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeResult:
    """What one purge erased: items from the bin, and blobs without a row."""

    items: int
    orphans: int


def purge(db: Database, blobs: Blobs, now: int) -> PurgeResult:
    """Erases items whose time in the bin is over, then orphans. `now` in milliseconds.

    Rows go first, bytes second: what a crash leaves between the two is an orphan next time.

    Raises:
        DependencyUnavailable: when the database or the blob store is away; simply run it again.
    """
    return PurgeResult(items=_empty_bin(db, blobs), orphans=_erase_orphans(db, blobs, now))


def _empty_bin(db: Database, blobs: Blobs) -> int:
    count = 0
    while items := media.erase_expired(db, _BATCH):
        keys = [key for item in items for key in (item.blob_key, item.thumbnail_key) if key]
        blobs.delete(keys)
        count += len(items)
    return count


def _erase_orphans(db: Database, blobs: Blobs, now: int) -> int:
    before = now - ORPHAN_AGE_MS
    count = 0
    for folder in _FOLDERS:
        for keys in _batches(blobs.list_keys(folder, before)):
            orphans = set(keys) - media.known_keys(db, keys)
            blobs.delete(sorted(orphans))
            count += len(orphans)
    for keys in _batches(blobs.list_keys(_DRAFTS, before)):
        blobs.delete(keys)
        count += len(keys)
    return count


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
