"""Wakes the deliverer when another process says that deliveries wait.

Keys: `{rushes}:deliveries:wake` (`core.telling.messages`), a list on which it waits.
"""

from collections.abc import Callable

import redis

from core.telling.messages import DELIVERIES_KEY
from core.telling.stream import reaching
from workers.loop import Loop, LoopPart

WAIT_SECONDS = 0.5
_PAUSE_SECONDS = 1.0


class DeliveryWaker(LoopPart):
    """Waits in a thread of its own. Without it deliveries wait for the deliverer's next look."""

    vital = False

    def __init__(self, client: redis.Redis, nudge: Callable[[], None]) -> None:
        """A reply to the client may take longer than WAIT_SECONDS."""
        self._client = client
        self._nudge = nudge
        self._loop = Loop("delivery waker", self._listen, _PAUSE_SECONDS)

    def close(self) -> None:
        """Ends the thread, and closes the client."""
        super().close()
        self._client.close()

    def _listen(self) -> None:
        with reaching("delivery wake-ups"):
            while not self._loop.stopping:
                if self._client.blpop([DELIVERIES_KEY], WAIT_SECONDS):
                    self._nudge()
