"""The ledger: one JSON line for each thing that the simulator accepted or charged.

The file is `<data_dir>/simulator/ledger.jsonl`. A line is on the disk before anybody hears of it.
flock guards the file, so many processes of one host may write. Only a line that ends counts: the
next writer cuts off the torn line of a killed one, whose submit was never answered.

| event | means | micros |
|---|---|---|
| accepted | a paid submit: `key`, `job_id`, `model`, `words`, `ready_time` | what it costs |
| cancelled | the operation was stopped | 0: given back |
| happened | a word that acts once has acted for `job_id` | |

Every line has `time`, and `operation`, which is empty if there is none. Times are milliseconds
of the host's clock.
"""

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.catalog.simulated import Word, words_in
from core.process.disk import sync

Line = dict[str, Any]


@dataclass(slots=True)
class Operation:
    """One paid submit. Times in milliseconds; `micros` is what it costs unless it is cancelled."""

    name: str
    micros: int
    words: frozenset[Word]
    accept_time: int
    ready_time: int
    cancelled: bool = False


@dataclass(slots=True)
class Books:
    """The state that the lines describe."""

    operations: dict[str, Operation] = field(default_factory=dict)
    by_key: dict[str, Operation] = field(default_factory=dict)
    happened: set[tuple[str, str]] = field(default_factory=set)

    def add(self, line: Line) -> None:
        """Adds one line."""
        event = line["event"]
        if event == "accepted":
            operation = _operation(line)
            self.operations[operation.name] = operation
            self.by_key[line["key"]] = operation
        elif event == "cancelled":
            self.operations[line["operation"]].cancelled = True
        elif event == "happened":
            self.happened.add((line["job_id"], line["word"]))


class Ledger:
    """The file and its state. Each look reads only the lines since the last look."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / "ledger.jsonl"
        self._books = Books()
        self._read_to = self._inode = 0
        self._lock = threading.Lock()
        with self._locked():
            sync(folder)

    def books(self) -> Books:
        """The state of the ledger now; never waits for a writer."""
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return self._books
        try:
            return self._read(file)
        finally:
            os.close(file)

    def write(self, decide: Callable[[Books], Line | None]) -> Line | None:
        """Appends the line that `decide` returns for the books. Nobody else changes them meanwhile.

        The line is on the disk when this returns.
        """
        with self._locked() as file:
            line = decide(self._read(file))
            if line is not None:
                # A dead writer left the bytes after the last whole line.
                os.ftruncate(file, self._read_to)
                _write_all(file, json.dumps(line).encode() + b"\n")
                os.fsync(file)
                self._read(file)
            return line

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _read(self, file: int) -> Books:
        with self._lock:
            found = os.fstat(file)
            size = found.st_size
            if found.st_ino != self._inode or size < self._read_to:
                # This is another file than before: the first look, or somebody replaced it.
                self._books, self._read_to, self._inode = Books(), 0, found.st_ino
            if size > self._read_to:
                tail = os.pread(file, size - self._read_to, self._read_to)
                whole = tail[: tail.rfind(b"\n") + 1]
                for line in whole.splitlines():
                    self._books.add(json.loads(line))
                self._read_to += len(whole)
            return self._books


def _operation(line: Line) -> Operation:
    return Operation(
        name=line["operation"],
        micros=line["micros"],
        words=words_in(" ".join(line["words"])),
        accept_time=line["time"],
        ready_time=line["ready_time"],
    )


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
