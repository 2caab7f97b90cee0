"""SQLite in WAL mode: many readers, and one writer thread per process behind a file lock.

SQLite's own busy handler is unfair: two busy workers starve the server (accept p99 is 1.4 s instead
of 9 ms). With the lock file the processes queue up in the order in which they came.
"""

import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from peewee import SqliteDatabase

from core.errors import DependencyUnavailable
from core.store.engine.sql import STATEMENT_MS

T = TypeVar("T")
MAX_WAIT_SECONDS = 5.0
_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "busy_timeout": 5000,
    "cache_size": -16384,
}


# So many steps of SQLite's virtual machine take about a millisecond.
_STEPS = 20_000


class _Limit(threading.local):
    """When SQLite shall stop what this thread has it do."""

    until: float | None = None


class SqliteFile(SqliteDatabase):
    """A database file. peewee opens a connection per thread; this class can close all of them."""

    def __init__(self, path: Path) -> None:
        self._opened: list[sqlite3.Connection] = []
        self._limit = _Limit()
        super().__init__(
            str(path),
            pragmas=_PRAGMAS,
            lock_type="IMMEDIATE",
            timeout=5,
            check_same_thread=False,
        )

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Gives one call of this thread a limit; what then still runs is interrupted."""
        self._limit.until = time.monotonic() + STATEMENT_MS / 1000
        try:
            yield
        finally:
            self._limit.until = None

    def close_everywhere(self) -> None:
        """Closes the connections of all threads; nothing may use them any more."""
        while self._opened:
            self._opened.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._connect()  # type: ignore[misc]
        connection.set_progress_handler(self._is_over, _STEPS)
        self._opened.append(connection)
        return connection

    def _is_over(self) -> bool:
        return self._limit.until is not None and time.monotonic() > self._limit.until


def sqlite_path(url: str) -> Path | None:
    """The file of a sqlite:/// address; None for another address."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        return None
    # Three slashes before a relative path, four before an absolute one.
    return Path(unquote(parts.path[1:]))


def open_sqlite(path: Path) -> SqliteFile:
    """The database file, made when it is not there; its transactions begin with BEGIN IMMEDIATE."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    return SqliteFile(path)


class Writer:
    """The one thread of this process that writes; it holds the file lock during a transaction."""

    def __init__(self, lock_path: Path) -> None:
        self._lock_path = lock_path
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._work = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def run(self, transaction: Callable[[], T]) -> T:
        """Runs `transaction` in the writer thread and gives back what it gives.

        Raises:
            DependencyUnavailable: when its turn did not come within 5 s; it then never runs.
        """
        done: Future[T] = Future()
        self._work.put((transaction, done))
        try:
            return done.result(MAX_WAIT_SECONDS)
        except FutureTimeout:
            if done.cancel():
                raise DependencyUnavailable("database") from None
            return done.result()

    def close(self) -> None:
        """Ends the thread after the work that it has."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while (item := self._work.get()) is not None:
                self._run_one(lock, *item)
        finally:
            os.close(lock)

    def _run_one(self, lock: int, transaction: Callable[[], Any], done: "Future[Any]") -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(transaction())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
                done.set_exception(error)
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
