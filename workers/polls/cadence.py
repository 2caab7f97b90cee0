"""When an operation is polled next, and how far it is by the clock: pure, from past durations.

The first poll comes a little before the model's tenth percentile. From then on the pause is half of
what is left until the expected end, and after that half of how long the operation is overdue; never
less than the model's `poll_seconds`, nor more than four times that. After polls without an answer
it is `poll_seconds`, and each further time twice as long.

Ages and durations in milliseconds. `jitter` is a number from 0 to 1, by chance: it makes a pause
longer only, as the least one is a promise.
"""

from dataclasses import dataclass

# A job is never seen to end before its first poll. If that came at the tenth percentile of what
# was seen, the percentile could only rise; so it finds its way down again.
FIRST_SHARE = 0.8
FARTHEST = 4
JITTER = 0.2
# Where nothing is known an operation takes as long as two polls.
UNKNOWN_POLLS = 2
# Percent at the expected end; what comes after it creeps towards the most.
EXPECTED_PERCENT = 80
MOST_PERCENT = 95


@dataclass(frozen=True, slots=True)
class Pace:
    """How long operations of a model take, and the least time between two polls of one."""

    early_ms: int
    median_ms: int
    poll_ms: int


def unmeasured(typical_ms: int, poll_ms: int) -> Pace:
    """The pace of a model of which only a typical duration is known, or not even that (0)."""
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
    """The pause after a poll without an answer that followed `tries` such ones."""
    whole = min(pace.poll_ms * 2 ** min(tries, 30), most_ms)
    return _by_chance(max(whole, pace.poll_ms), jitter)


def estimated_percent(pace: Pace, age_ms: int) -> int:
    """How far an operation is that does not say so itself; never more than MOST_PERCENT."""
    share = max(age_ms, 0) / max(pace.median_ms, 1)
    if share <= 1:
        return int(EXPECTED_PERCENT * share)
    return int(MOST_PERCENT - (MOST_PERCENT - EXPECTED_PERCENT) / share)


def _by_chance(pause_ms: float, jitter: float) -> int:
    return int(pause_ms * (1 + JITTER * jitter))
