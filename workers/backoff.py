"""How long to wait before a safe retry."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """A pause that doubles from `first_ms` to `most_ms`; half of it is random."""

    first_ms: int
    most_ms: int

    def delay_ms(self, tries: int) -> int:
        """The pause after a failure that `tries` others came right before."""
        whole = min(self.first_ms * 2 ** min(tries, 30), self.most_ms)
        return random.randint(whole // 2, whole)
