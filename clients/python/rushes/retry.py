"""When to try again: pure decisions, told the time and asked for a delay."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from rushes.errors import CredentialsExpired, RushesError
from rushes.wire import from_transport

BASE_SECONDS = 0.5
CAP_SECONDS = 5.0


@dataclass
class Backoff:
    """Delays that double, each drawn from zero to its bound, so that many clients spread out."""

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
        """Forget the failures: something worked."""
        self.tries = 0


@dataclass
class CallTries:
    """The tries of one unary call. Any may be repeated: what makes a job carries a request_id.

    retry_until: time after which a failure is final. fresh_token: whether another can be had.
    """

    retry_until: float
    fresh_token: bool
    backoff: Backoff = field(default_factory=Backoff)
    _renewed: bool = field(default=False, init=False)

    def after(self, error: RushesError, now: float) -> float | None:
        """Seconds to wait before the same call is sent again; None when the error stands."""
        if isinstance(error, CredentialsExpired) and self.fresh_token and not self._renewed:
            self._renewed = True
            return 0.0
        if not from_transport(error):
            return None
        delay = self.backoff.next(error.retry_delay)
        return delay if now + delay < self.retry_until else None
