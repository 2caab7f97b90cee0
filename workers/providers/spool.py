"""Keeps paid results on this machine's disk while the blob store does not take them.

Each submission has a folder `<data_dir>/spool/<key>`. Its files have the names that follow the key
in the store. The folder gets its name when all files are on the disk, so it is always whole.
"""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from core.blobs import Blobs
from core.process.disk import sync

log = structlog.get_logger()

_DRAFT = ".draft"
_LEFT_SECONDS = 24 * 3600


class Spool:
    """A folder that all worker processes of a machine share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, key: str, files: Mapping[str, bytes]) -> None:
        """Keeps the files of a submission. They are on the disk when this returns.

        Raises:
            OSError: when the disk does not take them.
        """
        draft = self._folder / f"{key}{_DRAFT}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        for name, data in files.items():
            with (draft / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        sync(draft)
        draft.rename(self._folder / key)
        sync(self._folder)

    def erase(self, key: str) -> None:
        """Erases the files, which the store has by now."""
        shutil.rmtree(self._folder / key, ignore_errors=True)

    def upload(self, blobs: Blobs, prefix: str) -> None:
        """Puts all files into the store, below `prefix`. Several processes may do so at once.

        Raises:
            DependencyUnavailable, StorageFull: when the store does not take it.
        """
        for folder in self._folder.glob("*"):
            try:
                if folder.suffix == _DRAFT:
                    _erase_old(folder)
                else:
                    self._upload(folder, blobs, prefix)
            except FileNotFoundError:
                # Another process put it into the store first.
                continue
            except OSError as error:
                log.error("spool_not_read", key=folder.name, error=type(error).__name__)

    def _upload(self, folder: Path, blobs: Blobs, prefix: str) -> None:
        # The manifest comes last, since it says that the other files are there.
        for file in sorted(folder.iterdir()):
            blobs.put_bytes(f"{prefix}{folder.name}.{file.name}", file.read_bytes())
        log.info("spooled_results_stored", key=folder.name)
        self.erase(folder.name)


def _erase_old(draft: Path) -> None:
    """Erases the leftovers of a process that was killed while it wrote."""
    if time.time() - draft.stat().st_mtime > _LEFT_SECONDS:
        shutil.rmtree(draft, ignore_errors=True)
