"""Rests between the steps of upkeep, so that nobody who waits for the database feels them."""

import time

from workers.loop import Loop

REST_SECONDS = 0.01


class RoundOver(Exception):
    """The round's time is over, or the process ends. What is left is for another round."""


class Rest:
    """Called after each step, it rests a little. Makes one piece of work of a round take at most
    `most_seconds`."""

    def __init__(self, loop: Loop, most_seconds: float = float("inf")) -> None:
        self._loop = loop
        self._until = time.monotonic() + most_seconds

    def __call__(self) -> None:
        """Rests.

        Raises:
            RoundOver: when the work shall end here.
        """
        if self._loop.stopping or time.monotonic() > self._until:
            raise RoundOver
        time.sleep(REST_SECONDS)
