"""Shares a few places among users, so that one user's files never hold all of them."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Shares:
    """So many places; one owner has all but one of them at most (and one, if there is one)."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._most = max(places - 1, 1)
        self._held: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def of(self, owner: str) -> Iterator[None]:
        """A place for the owner; waits until there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._free and self._held[owner] < self._most)
            self._free -= 1
            self._held[owner] += 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._held[owner] -= 1
                if not self._held[owner]:
                    del self._held[owner]
                self._changed.notify_all()
