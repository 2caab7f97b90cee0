import errno

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from core.blobs.failures import translated
from core.errors import BlobMissing, DependencyUnavailable, RushesError, StorageFull


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StorageFull),
        (GenericError("Unable to copy: No space left on device (os error 28)"), StorageFull),
        (GenericError("<Code>XMinioStorageFull</Code>"), StorageFull),
        (PermissionError(errno.EACCES, "Permission denied"), DependencyUnavailable),
        (PermissionDeniedError("403"), DependencyUnavailable),
        (GenericError("error sending request"), DependencyUnavailable),
        (FileNotFoundError("<Code>NoSuchBucket</Code>"), DependencyUnavailable),
        (FileNotFoundError("Object at location a not found"), BlobMissing),
    ],
)
def test_what_a_store_raises_gets_our_words(raised: Exception, expected: type[RushesError]) -> None:
    with pytest.raises(expected), translated():
        raise raised


def test_a_mistake_of_ours_is_not_blamed_on_the_store() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError
