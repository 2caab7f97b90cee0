"""Turns the errors of a blob store into those of `core/errors.py`."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from core.errors import BlobMissing, DependencyUnavailable, RushesError, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# obstore has no exception for a full store: only the text of its errors says so.
_FULL_TEXTS = [f"(os error {number})" for number in _FULL]
_FULL_TEXTS += ["XMinioStorageFull", "QuotaExceeded", "507 Insufficient Storage"]


@contextmanager
def translated() -> Iterator[None]:
    """Turns what obstore and the file system raise into our errors.

    Raises:
        BlobMissing, StorageFull, DependencyUnavailable
    """
    try:
        yield
    except (BaseError, OSError) as error:
        raise _meaning(error) from error


def _meaning(error: Exception) -> RushesError:
    text = str(error)
    if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text:
        return BlobMissing()
    if getattr(error, "errno", None) in _FULL or any(full in text for full in _FULL_TEXTS):
        return StorageFull()
    return DependencyUnavailable("blob store")
