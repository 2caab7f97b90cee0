"""When to start a child again, and when to give up. Pure: no clock, no process."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
LONG_LIFE_SECONDS = 10.0
MAX_STILLBORN = 5
MAX_SHORT_LIVES = 10


class Restarts:
    """Counts how often in a row one child ended too soon.

    It gives up after 5 starts in a row that never became ready, or after 10 in a row that lasted
    less than 10 s.
    """

    def __init__(self) -> None:
        self._short = 0
        self._stillborn = 0

    def pause_after(self, lived: float, was_ready: bool) -> float | None:
        """Seconds to wait after the child has lived for `lived` seconds; None to give up."""
        self._stillborn = 0 if was_ready else self._stillborn + 1
        self._short = 0 if was_ready and lived >= LONG_LIFE_SECONDS else self._short + 1
        if self._stillborn >= MAX_STILLBORN or self._short >= MAX_SHORT_LIVES:
            return None
        doublings = max(self._short - 1, 0)
        return min(FIRST_PAUSE_SECONDS * float(2**doublings), LONGEST_PAUSE_SECONDS)
