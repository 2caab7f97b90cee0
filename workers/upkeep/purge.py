"""Empties the bin, drops uploads that were not finished in time, and erases bytes that no row
names, which a crash between two steps left."""

from collections.abc import Callable, Iterator

import structlog

from core.blobs import Blobs
from core.blobs.keys import (
    CONTENT,
    DRAFTS,
    OWNER,
    RESULTS,
    THUMBNAILS,
    UPLOADS,
    media_id_of,
    upload_of,
)
from core.errors import BlobMissing
from core.process import failpoints
from core.store import Database, media, uploads

log = structlog.get_logger()

# Bytes are stored before their row is written, so young bytes may still get their row. A worker
# that was frozen for longer has lost its job and writes no row.
ORPHAN_AGE_MS = 24 * 3600 * 1000
# The jobs of older results have ended: see `RUSHES_MAX_FINISH_SECONDS`.
RESULT_AGE_MS = 2 * ORPHAN_AGE_MS
_BATCH = 200
# An item of the bin takes a hundred rows of the library's index with it.
_BIN_BATCH = 20
_FAR_MS = 2**52


def empty_bin(db: Database, blobs: Blobs, rest: Callable[[], None] = lambda: None) -> int:
    """Erases the items whose time in the bin is over; how many.

    Rows are erased first and bytes second. Bytes that a crash leaves in between are orphans.

    Raises:
        DependencyUnavailable: when the database or the blob store is away; simply run it again.
    """
    count = 0
    while items := media.erase_expired(db, _BIN_BATCH):
        keys = [key for item in items for key in (item.blob_key, item.thumbnail_key) if key]
        failpoints.hit("purge.after_list")
        blobs.delete(keys)
        count += len(items)
        rest()
    return count


def drop_uploads(db: Database, blobs: Blobs, rest: Callable[[], None] = lambda: None) -> int:
    """Erases unfinished uploads whose time is over; how many.

    Raises:
        DependencyUnavailable: when the database or the blob store is away; simply run it again.
    """
    count = 0
    while dropped := uploads.drop_expired(db, _BATCH):
        blobs.delete(part.key for upload in dropped for part in upload.parts)
        count += len(dropped)
        rest()
    return count


def owns(db: Database, blobs: Blobs) -> bool:
    """Whether the blobs belong to this installation. Another would take all of them for orphans.

    A store without an owner becomes this installation's when its database knows what is in it.

    Raises:
        DependencyUnavailable: when the database or the blob store is away.
    """
    installation = db.installation()
    try:
        return blobs.read(OWNER) == installation.encode()
    except BlobMissing:
        pass
    found = next(_batches(blobs.list_keys(CONTENT, _FAR_MS)), [])
    if _orphans(db, found):
        return False
    blobs.put_bytes(OWNER, installation.encode())
    return True


def erase_orphans(
    db: Database, blobs: Blobs, now: int, rest: Callable[[], None] = lambda: None
) -> int:
    """Erases blobs without a row that are older than a day, and kept results of providers that are
    older than two days; how many. `now` is in milliseconds.

    Erases nothing in a store that another installation owns.

    Raises:
        DependencyUnavailable: when the database or the blob store is away; simply run it again.
    """
    if not owns(db, blobs):
        log.warning("blobs_of_another_installation")
        return 0
    before = now - ORPHAN_AGE_MS
    count = 0
    for folder in (CONTENT, THUMBNAILS):
        for keys in _batches(blobs.list_keys(folder, before)):
            orphans = _orphans(db, keys)
            failpoints.hit("purge.after_list")
            blobs.delete(orphans)
            count += len(orphans)
            rest()
    for keys in _batches(blobs.list_keys(UPLOADS, before)):
        unfinished = uploads.known(db, sorted({upload_of(key) for key in keys}))
        orphans = [key for key in keys if upload_of(key) not in unfinished]
        blobs.delete(orphans)
        count += len(orphans)
        rest()
    for folder, age_ms in ((DRAFTS, ORPHAN_AGE_MS), (RESULTS, RESULT_AGE_MS)):
        for keys in _batches(blobs.list_keys(folder, now - age_ms)):
            blobs.delete(keys)
            count += len(keys)
            rest()
    return count


def _orphans(db: Database, keys: list[str]) -> list[str]:
    """Those of the keys that no item has. A key says of which item it is."""
    media_ids = [media_id for key in keys if (media_id := media_id_of(key))]
    return sorted(set(keys) - media.blob_keys(db, media_ids))


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
