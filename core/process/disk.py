"""Folders on disk: `sync` makes names survive a loss of power, a lock keeps other processes out."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"


class FolderHeld(Exception):
    """Another process holds the folder; `holder` says which one, as far as it is known."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


def sync(path: Path) -> None:
    """Makes the file's bytes, or the names in the folder, survive a loss of power.

    Raises:
        OSError: when the disk does not take them.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held(folder: Path, purpose: str) -> Iterator[None]:
    """Holds the data folder for this process alone; the kernel lets go of it however it ends.

    `purpose` tells the next process who holds it: an address, or what a command does.

    Raises:
        FolderHeld: when another process holds it.
        OSError: when the folder can't be locked or written.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderHeld(_holder(file.read())) from None
        file.truncate()
        file.write(json.dumps({"pid": os.getpid(), "address": purpose}))
        file.flush()
        yield


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {int(holder['pid'])}, {holder['address']}"
    except (ValueError, TypeError, KeyError):
        return "another process"
