"""How long to wait before a safe retry."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `first_ms` to `most_ms`, each time between a half and the whole by chance."""

    first_ms: int
    most_ms: int

    def delay_ms(self, tries: int) -> int:
        """The pause after `tries` failures in a row before this one."""
        whole = min(self.first_ms * 2 ** min(tries, 30), self.most_ms)
        return random.randint(whole // 2, whole)
