"""Decides when to try again, without I/O: callers pass the time and get a delay."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from rushes.errors import CredentialsExpired, RushesError
from rushes.wire import from_transport

BASE_SECONDS = 0.5
CAP_SECONDS = 5.0


@dataclass
class Backoff:
    """Random delays below a bound that doubles, so that many clients do not come at once."""

    base: float = BASE_SECONDS
    cap: float = CAP_SECONDS
    draw: Callable[[], float] = random.random
    tries: int = field(default=0, init=False)

    def next(self, at_least: float = 0.0) -> float:
        """Seconds to wait before the next try; never less than the server asked for."""
        bound = min(self.cap, self.base * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return at_least + bound * self.draw()

    def reset(self) -> None:
        """Starts again with short delays, after a success."""
        self.tries = 0


@dataclass
class CallTries:
    """Counts the tries of one unary call. A call that may not be repeated does not come here.

    retry_until: time after which a failure is final. fresh_token: whether another can be had.
    """

    retry_until: float
    fresh_token: bool
    backoff: Backoff = field(default_factory=Backoff)
    _renewed: bool = field(default=False, init=False)

    def after(self, error: RushesError, now: float) -> float | None:
        """Seconds to wait before the call is sent again; None when the error is final."""
        if isinstance(error, CredentialsExpired) and self.fresh_token and not self._renewed:
            self._renewed = True
            return 0.0
        if not from_transport(error):
            return None
        delay = self.backoff.next(error.retry_delay)
        return delay if now + delay < self.retry_until else None
