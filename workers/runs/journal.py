"""The journal: keeps an operation on the disk before the database hears of it.

Each worker process has one file, `<data_dir>/journal/<worker_id>.jsonl`, and locks it while it
lives. When the process is dead, another one tells the database what the file holds. So a paid
operation is not lost with the database connection or the process.
"""

import contextlib
import errno
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from core.process.disk import sync

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation that a submit began. `charged_micros` is the provider's figure if it is done."""

    job_id: str
    number: int
    operation: str
    done: bool
    charged_micros: int | None = None


class Journal:
    """The file of this process, and the files that dead processes of this host left."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._path = folder / f"{worker_id}.jsonl"
        self._file: int | None = _locked_file(self._path)
        self._lock = threading.Lock()
        self._pending: set[Entry] = set()

    def write(self, entry: Entry) -> None:
        """Keeps the entry, which is on the disk when this returns.

        Raises:
            OSError: when the disk does not take it.
        """
        # The newline before it ends a line that a crash has cut off.
        values = {name: value for name, value in asdict(entry).items() if value is not None}
        line = b"\n" + json.dumps(values).encode() + b"\n"
        with self._lock:
            self._pending.add(entry)
            if self._file is None:
                # An answer came after the close. Others find it when the process is gone.
                self._file = _locked_file(self._path)
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)

    def settled(self, entry: Entry) -> None:
        """Notes that the database has the entry. Empties the file when it has all entries."""
        with self._lock:
            self._pending.discard(entry)
            if self._file is not None and not self._pending:
                os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Closes the file, and leaves it to other processes if an entry in it is not settled."""
        with self._lock:
            if self._file is None:
                return
            if not self._pending:
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def adopt_left(self, settle: Callable[[Entry], object]) -> None:
        """Settles the entries that dead processes left, and removes their files."""
        for path in self._folder.glob("*.jsonl"):
            if path != self._path:
                try:
                    self._adopt(path, settle)
                except OSError as error:
                    log.warning("journal_not_read", error=type(error).__name__)

    def _adopt(self, path: Path, settle: Callable[[Entry], object]) -> None:
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(path.open("rb"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (FileNotFoundError, BlockingIOError):
                return
            if not _is_at(path, file.fileno()):
                # Another process removed it meanwhile. The file at the path may be a live one's.
                return
            for entry in _entries(file.read()):
                log.info("operation_found_in_journal", job_id=entry.job_id, number=entry.number)
                settle(entry)
            path.unlink(missing_ok=True)


def _locked_file(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is_at(path, file):
            sync(path.parent)
            return file
        # Between the two calls another process took it for a dead one's, and removed it.
        os.close(file)


def _is_at(path: Path, file: int) -> bool:
    """Whether the open file is still the one at the path."""
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


def _entries(data: bytes) -> Iterator[Entry]:
    """The entries of complete lines. Nobody acted upon a last line that was cut off."""
    for line in filter(None, data.split(b"\n")[:-1]):
        try:
            yield Entry(**json.loads(line))
        except (ValueError, TypeError):
            log.error("journal_line_damaged")
