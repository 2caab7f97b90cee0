"""Refuses jobs of users whose media items take as much as they may."""

from core.errors import StorageFull
from core.store import Database, usage

MIB = 1024 * 1024


class Quota:
    """What one user's items may take, in MiB; 0 has no limit and asks nothing.

    Jobs that are accepted at the same moment may exceed it together by what they bring, and jobs
    that run by their results.
    """

    def __init__(self, db: Database, megabytes: int) -> None:
        self._db = db
        self._bytes = megabytes * MIB

    def refuse_full(self, user_id: str, more_bytes: int) -> None:
        """
        Raises:
            StorageFull: when the user's items and `more_bytes` take more than they may.
        """
        if not self._bytes:
            return
        used = usage.used_bytes(self._db, user_id)
        if used + max(more_bytes, 1) > self._bytes:
            limit, taken = f"{self._bytes // MIB} MiB", f"{used / MIB:.1f} MiB"
            text = f"Your items, also in the bin, take {taken} of {limit}; delete some for good."
            raise StorageFull(text, limit=limit, used=taken)
