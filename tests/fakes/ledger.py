"""What a fake accepted and would charge: JSON lines in a file, on the disk before the answer."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """The file of one running fake; it goes on where an earlier one of the same file ended."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        # A killed fake's torn line was never answered.
        data = path.read_bytes()
        os.ftruncate(self._file, data.rfind(b"\n") + 1)

    def accepted(self, *, key: str, operation: str, model: str, outputs: int) -> None:
        """One paid call: `key` is its Idempotency-Key, empty when it had none."""
        self._write("accepted", key=key, operation=operation, model=model, outputs=outputs)

    def cancelled(self, operation: str) -> None:
        """The operation was stopped."""
        self._write("cancelled", operation=operation)

    @property
    def lines(self) -> list[Line]:
        """All lines."""
        return read_ledger(self._path)

    @property
    def paid(self) -> list[Line]:
        """The lines of paid calls."""
        return [line for line in self.lines if line["event"] == "accepted"]

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _write(self, event: str, **values: Any) -> None:
        line = {"event": event, "time": time.time_ns() // 1_000_000, **values}
        with self._lock:
            os.write(self._file, json.dumps(line).encode() + b"\n")
            os.fsync(self._file)


def read_ledger(path: Path) -> list[Line]:
    """The whole lines of the file, whoever writes it; none when it is not there."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
