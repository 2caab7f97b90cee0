"""What many calls of a process need and the database need not be asked for each time."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
_NEVER = float("-inf")


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    read_at: float = _NEVER
    value: Any = None

    def is_younger(self, seconds: float) -> bool:
        return time.monotonic() - self.read_at <= seconds


class Kept:
    """Values that were read lately, for any thread.

    One thread at a time reads a value anew. Meanwhile the others take the last one, if it is at
    most `stale_seconds` old, or else wait: a read that takes long would take longer still if every
    caller made it.
    """

    def __init__(self, fresh_seconds: float, stale_seconds: float) -> None:
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds
        self._entries: dict[Hashable, _Entry] = {}

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gave at most `fresh_seconds` ago, or gives now. Raises what it raises."""
        entry = self._entries.setdefault(key, _Entry())
        if not entry.is_younger(self._fresh_seconds):
            may_wait = not entry.is_younger(self._stale_seconds)
            if entry.lock.acquire(blocking=may_wait):
                try:
                    if not entry.is_younger(self._fresh_seconds):
                        entry.value = read()
                        entry.read_at = time.monotonic()
                finally:
                    entry.lock.release()
        found: T = entry.value
        return found
