"""When to start a child again, and when to give up. Pure: no clock, no process."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
LONG_LIFE_SECONDS = 10.0
MAX_STILLBORN = 5


class Restarts:
    """Counts how often in a row one child ended too soon.

    It gives up after 5 starts of which none became ready: then only a person can help. A child
    that has been ready once is started again for ever, with longer pauses: what kills it may come
    from callers, who must not be able to end the run.
    """

    def __init__(self) -> None:
        self._short = 0
        self._stillborn = 0
        self._has_served = False

    def pause_after(self, lived: float, was_ready: bool) -> float | None:
        """Seconds to wait after the child has lived for `lived` seconds; None to give up."""
        self._has_served = self._has_served or was_ready
        self._stillborn += not was_ready
        self._short = 0 if was_ready and lived >= LONG_LIFE_SECONDS else self._short + 1
        if self._stillborn >= MAX_STILLBORN and not self._has_served:
            return None
        doublings = max(self._short - 1, 0)
        return min(FIRST_PAUSE_SECONDS * float(2**doublings), LONGEST_PAUSE_SECONDS)
