"""When an operation is polled next: pure, from how long past operations took.

The first poll comes a little before the model's tenth percentile. Later pauses are half of the time
that is left until the expected end. After the expected end they are half of how long the operation
is overdue. A pause is never shorter than the model's `poll_seconds`, and never longer than four
times that. After a poll without an answer the pause is `poll_seconds`, and it doubles each time.

Ages and durations are in milliseconds. `jitter` is a random number from 0 to 1. It only makes a
pause longer, because the shortest pause is a promise.
"""

from dataclasses import dataclass

# No job is seen to end before its first poll. A first poll at the tenth percentile could only push
# the percentile up. An earlier one lets it fall again.
FIRST_SHARE = 0.8
FARTHEST = 4
JITTER = 0.2
# An operation of which nothing is known is expected to take as long as two polls.
UNKNOWN_POLLS = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How long operations of a model take, and the least time between two polls of one."""

    early_ms: int
    median_ms: int
    poll_ms: int


def unmeasured(typical_ms: int, poll_ms: int) -> Pace:
    """The pace of a model with too few past runs; `typical_ms` is 0 when no duration is known."""
    median_ms = typical_ms or UNKNOWN_POLLS * poll_ms
    return Pace(early_ms=median_ms // 2, median_ms=median_ms, poll_ms=poll_ms)


def first_poll_ms(pace: Pace, jitter: float) -> int:
    """The pause between the submit and the first poll."""
    return _by_chance(pace.early_ms * FIRST_SHARE, jitter)


def next_poll_ms(pace: Pace, age_ms: int, jitter: float) -> int:
    """The pause after a poll that found the operation not done."""
    distance = abs(pace.median_ms - age_ms) / 2
    return _by_chance(min(max(distance, pace.poll_ms), FARTHEST * pace.poll_ms), jitter)


def retry_poll_ms(pace: Pace, tries: int, most_ms: int, jitter: float) -> int:
    """The pause after a poll without an answer, when `tries` such polls came before it."""
    whole = min(pace.poll_ms * 2 ** min(tries, 30), most_ms)
    return _by_chance(max(whole, pace.poll_ms), jitter)


def _by_chance(pause_ms: float, jitter: float) -> int:
    return int(pause_ms * (1 + JITTER * jitter))
