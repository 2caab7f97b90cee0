"""What can go wrong at a fake, on demand.

A prompt says `fake:<word>` (always) or `fake:<word>-once` (once for each job, or for each operation
where the call names one); `fake.fault(word, times)` does it for the next calls, whatever they say.
"""

import re
import threading
from collections import Counter

# Before the call is accepted: not in the ledger, and free.
BEFORE = (
    "500-before",
    "cut-before",
    "429",
    "429-retry-after",
    "quota",
    "401",
    "filtered-prompt",
    "filtered-input",
)
# The call is accepted and in the ledger, but its answer does not come as it should.
AFTER = ("503-after", "cut-after", "cut-within", "late")
# What becomes of the operation.
WORK = ("filtered-output", "vanish", "never-ends", "fails", "slow")
# The result, inline or downloaded.
RESULT = ("slow-download", "truncated", "wrong-type", "big", "fewer", "download-503")
# A question about an operation.
POLL = ("poll-503", "poll-429")
WORDS = (*BEFORE, *AFTER, *WORK, *RESULT, *POLL)

RETRY_AFTER_SECONDS = 7
SLOW_SECONDS = 10.0
_WORD = re.compile(r"fake:([a-z0-9-]+)")


class Faults:
    """What shall go wrong next. Used from the fake's loop and from the test's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: Counter[str] = Counter()
        self._happened: set[tuple[str, str]] = set()

    def order(self, word: str, times: int = 1) -> None:
        """The next `times` calls that the word fits go wrong."""
        if word not in WORDS:
            raise ValueError(f"{word} is none of {', '.join(WORDS)}")
        with self._lock:
            self._ordered[word] += times

    def take(self, prompt: str, who: str, *words: str) -> str | None:
        """The first of the words that acts now; `who` is the job or the operation of the call."""
        said = set(_WORD.findall(prompt))
        with self._lock:
            return next((word for word in words if self._acts(word, said, who)), None)

    def _acts(self, word: str, said: set[str], who: str) -> bool:
        if self._ordered[word]:
            self._ordered[word] -= 1
            return True
        if f"{word}-once" in said and (word, who) not in self._happened:
            self._happened.add((word, who))
            return True
        return word in said
