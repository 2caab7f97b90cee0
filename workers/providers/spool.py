"""Paid results that the blob store does not take: on this machine's disk until it does.

One folder for each submission, `<data_dir>/spool/<key>`, with files that are called as in the store
after the key. It gets that name when all of it is on the disk, so what has it is whole.
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
        """Keeps the files of a submission; they are on the disk when this returns.

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
        """Forgets the files: the store has them."""
        shutil.rmtree(self._folder / key, ignore_errors=True)

    def upload(self, blobs: Blobs, prefix: str) -> None:
        """Puts all that is here into the store, below `prefix`. Whoever else does the same at the
        same time does no harm.

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
                # Another had it in the store first.
                continue
            except OSError as error:
                log.error("spool_not_read", key=folder.name, error=type(error).__name__)

    def _upload(self, folder: Path, blobs: Blobs, prefix: str) -> None:
        # The manifest, which says that the others are there, is the last of them.
        for file in sorted(folder.iterdir()):
            blobs.put_bytes(f"{prefix}{folder.name}.{file.name}", file.read_bytes())
        log.info("spooled_results_stored", key=folder.name)
        self.erase(folder.name)


def _erase_old(draft: Path) -> None:
    """Erases what a process left that was killed while it wrote."""
    if time.time() - draft.stat().st_mtime > _LEFT_SECONDS:
        shutil.rmtree(draft, ignore_errors=True)
