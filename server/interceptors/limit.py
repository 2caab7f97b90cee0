"""Limits how many unary requests a user may send, by a token bucket per user and process."""

import time
from collections.abc import Callable
from typing import Any

from core.errors import RateLimited
from server.fair_executor import FairExecutor
from server.interceptors.layer import Behaviour, Call, Context
from server.principal import require_principal

_SWEEP_ABOVE = 10_000


class Buckets:
    """The buckets of users that sent something lately. One event loop uses it, without a lock."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._sweep_above = _SWEEP_ABOVE

    def take(self, user_id: str) -> bool:
        """Takes one request out of the user's bucket; False when it is empty."""
        now = self._clock()
        left = self._left(user_id, now)
        if left < 1:
            return False
        self._buckets[user_id] = (left - 1, now)
        if len(self._buckets) > self._sweep_above:
            self._sweep(now)
        return True

    def __len__(self) -> int:
        return len(self._buckets)

    def _left(self, user_id: str, now: float) -> float:
        left, then = self._buckets.get(user_id, (float(self._burst), now))
        return min(self._burst, left + (now - then) * self._per_second)

    def _sweep(self, now: float) -> None:
        """Forgets full buckets, which mean the same as none.

        The next sweep comes when the number of buckets has doubled. With a fixed limit, each
        request would sweep once that many users are active.
        """
        kept = {u: b for u, b in self._buckets.items() if self._left(u, now) < self._burst}
        self._buckets = kept
        self._sweep_above = max(_SWEEP_ABOVE, 2 * len(kept))


class Limit:
    """Refuses unary calls above the user's rate, or while too many of his calls wait for a thread.
    Streams have a rate of their own at which they may be opened."""

    def __init__(
        self, buckets: Buckets, opens: Buckets, pool: FairExecutor, most_waiting: int
    ) -> None:
        self._buckets = buckets
        self._opens = opens
        self._pool = pool
        self._most_waiting = most_waiting

    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        user_id = require_principal().user_id
        if not call.streaming:
            self._refuse_too_many(user_id)
        elif not self._opens.take(user_id):
            raise RateLimited("You open watches too fast; one watch can follow all of your jobs.")
        return await inner(request, context)

    def _refuse_too_many(self, user_id: str) -> None:
        if not self._buckets.take(user_id):
            raise RateLimited
        if self._pool.waiting(user_id) >= self._most_waiting:
            raise RateLimited("Too many of your calls wait for others of yours; wait for answers.")
