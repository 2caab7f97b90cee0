"""Refuses jobs while a disk is too full, so that none is accepted that could not be finished."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import StorageFull
from core.process.settings import Settings
from core.store.engine.sqlite import sqlite_path

LOOK_SECONDS = 1.0
_MIB = 1024 * 1024


class Room:
    """Whether the disks for rows and blobs have space; looks at most once a second."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._megabytes = settings.min_free_megabytes
        self._folders = _folders(settings)
        self._clock = clock
        self._next_look = clock()
        self._full = False

    def refuse_full(self, more_bytes: int = 0) -> None:
        """
        Raises:
            StorageFull: when a disk has less free space than RUSHES_MIN_FREE_MEGABYTES, or would
                have it after `more_bytes`.
        """
        # No lock: threads that look at the same time see the same disk.
        if self._clock() >= self._next_look:
            self._full = any(self._lacks(folder) for folder in self._folders)
            self._next_look = self._clock() + LOOK_SECONDS
        if self._full or (more_bytes and any(self._lacks(f, more_bytes) for f in self._folders)):
            limit = f"{self._megabytes} MiB"
            raise StorageFull(f"Less than {limit} of storage is free.", limit=limit)

    def _lacks(self, folder: Path, more_bytes: int = 0) -> bool:
        try:
            free = shutil.disk_usage(folder).free - more_bytes
            return bool(self._megabytes) and free < self._megabytes * _MIB
        except OSError:
            # Then the write itself will say what is wrong.
            return False


def _folders(settings: Settings) -> set[Path]:
    """The folders on this machine that rows and blobs are written to."""
    folders = {settings.data_dir.absolute()}
    database = sqlite_path(settings.database)
    if database is not None:
        folders.add(database.parent)
    if settings.blobs.startswith("file://"):
        folders.add(Path(settings.blobs.removeprefix("file://")))
    return folders
