"""When operations are polled: early once, and then the more often the nearer the end is."""

import itertools

import pytest

from workers.polls.cadence import (
    JITTER,
    Pace,
    first_poll_ms,
    next_poll_ms,
    retry_poll_ms,
    unmeasured,
)

MINUTE = 60_000
# Ends after ten minutes, seldom before six.
FILM = Pace(early_ms=6 * MINUTE, median_ms=10 * MINUTE, poll_ms=30_000)
# As in tests: all within a second.
QUICK = Pace(early_ms=300, median_ms=500, poll_ms=100)


def ages(pace: Pace, until: int) -> list[int]:
    """When an operation is polled that never ends."""
    found = [first_poll_ms(pace, 0)]
    while found[-1] < until:
        found.append(found[-1] + next_poll_ms(pace, found[-1], 0))
    return found


@pytest.mark.parametrize("pace", [FILM, QUICK])
def test_the_first_poll_comes_shortly_before_one_in_ten_has_ended(pace: Pace) -> None:
    assert pace.early_ms * 0.7 <= first_poll_ms(pace, 0) < pace.early_ms


def test_what_ends_before_its_first_poll_lets_the_next_ones_come_earlier() -> None:
    # Given a model that became quick: every run is seen to end at its first poll, a second late
    early = FILM.early_ms
    for _ in range(50):
        early = first_poll_ms(Pace(early_ms=early, median_ms=early, poll_ms=30_000), 0) + 1000
    # Then the polls find their way to it
    assert early < 10_000


@pytest.mark.parametrize("pace", [FILM, QUICK])
def test_polls_are_never_nearer_than_the_model_allows_nor_farther_than_four_times_that(
    pace: Pace,
) -> None:
    polls = ages(pace, 10 * pace.median_ms)
    pauses = [after - before for before, after in itertools.pairwise(polls)]
    assert (min(pauses), max(pauses)) == (pace.poll_ms, 4 * pace.poll_ms)


def test_the_nearer_the_expected_end_the_more_often() -> None:
    pauses = [next_poll_ms(FILM, age * MINUTE, 0) for age in (0, 7, 8, 9, 10)]
    assert pauses == [120_000, 90_000, 60_000, 30_000, 30_000]


def test_what_is_overdue_is_asked_for_less_and_less() -> None:
    pauses = [next_poll_ms(FILM, age * MINUTE, 0) for age in (11, 12, 13, 14, 60)]
    assert pauses == [30_000, 60_000, 90_000, 120_000, 120_000]


def test_a_poll_without_an_answer_is_made_again_after_twice_as_long_each_time() -> None:
    pauses = [retry_poll_ms(FILM, tries, 100_000, 0) for tries in (0, 1, 2, 3, 1000)]
    assert pauses == [30_000, 60_000, 100_000, 100_000, 100_000]
    # And never sooner than the model allows
    assert retry_poll_ms(FILM, 5, 10_000, 0) == 30_000


@pytest.mark.parametrize("jitter", [0, 0.5, 1])
def test_chance_makes_a_pause_up_to_a_fifth_longer_and_never_shorter(jitter: float) -> None:
    for pause in (
        first_poll_ms(FILM, jitter) / first_poll_ms(FILM, 0),
        next_poll_ms(FILM, 0, jitter) / 120_000,
        retry_poll_ms(FILM, 0, 60_000, jitter) / 30_000,
    ):
        assert pause == pytest.approx(1 + jitter * JITTER)
    assert first_poll_ms(FILM, 1) < FILM.early_ms


def test_of_a_model_that_was_never_measured_its_typical_time_counts() -> None:
    assert unmeasured(100_000, 30_000) == Pace(early_ms=50_000, median_ms=100_000, poll_ms=30_000)
    assert unmeasured(0, 30_000).median_ms == 60_000
