"""Whole copies of an SQLite database, made while it is in use."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from core.errors import DependencyUnavailable, StorageFull
from core.process.disk import sync

_BUSY_SECONDS = 5.0


def copy_sqlite(source: Path, target: Path) -> None:
    """Copies one moment of the database into a new file and checks it; writers go on meanwhile.

    Raises:
        DependencyUnavailable: when it can't be read, or is damaged.
        StorageFull: when there is no room for the copy.
    """
    try:
        # All pages in one step: with several, each write of another process would restart the copy.
        with closing(_open(source)) as live, closing(_open(target, "rwc")) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            [(answer,), *_] = copy.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        if "disk is full" in str(error):
            raise StorageFull from None
        raise DependencyUnavailable("database") from error
    if answer != "ok":
        raise DependencyUnavailable("database")


def settle_sqlite(path: Path) -> None:
    """Makes the file durable, and whole without its -wal; nobody may have it open."""
    with closing(_open(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
    sync(path)


def _open(path: Path, mode: str = "rw") -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)
