"""How far a run is by the clock."""

from dataclasses import replace

import pytest

from core.jobs import Progress, Stage, State
from core.progress import MOST_PERCENT, estimated_percent, progress_now, remaining_ms
from tests.making import job_value

MINUTE = 60_000
MEDIAN = 10 * MINUTE


def test_the_estimate_rises_to_eighty_at_the_expected_end_and_never_passes_its_most() -> None:
    percents = [estimated_percent(MEDIAN, age * MINUTE) for age in range(200)]
    assert percents == sorted(percents)
    assert (percents[0], percents[5], percents[10]) == (0, 40, 80)
    assert 90 <= percents[-1] < MOST_PERCENT
    assert estimated_percent(MEDIAN, -5) == 0
    assert estimated_percent(0, 1000) <= MOST_PERCENT


def test_what_remains_falls_with_the_clock_to_nothing() -> None:
    left = [remaining_ms(MEDIAN, age * MINUTE) for age in (-1, 0, 4, 10, 11)]
    assert left == [MEDIAN, MEDIAN, 6 * MINUTE, 0, 0]


RUNNING = job_value(
    state=State.RUNNING,
    start_time=1000,
    progress=Progress(stage=Stage.GENERATING, percent=30),
)


def test_a_run_in_this_house_has_its_own_percent_and_the_time_that_is_left() -> None:
    now = progress_now(RUNNING, MEDIAN, 1000 + 4 * MINUTE)
    assert now == replace(RUNNING.progress, remaining_ms=6 * MINUTE)


def test_an_operation_that_says_nothing_moves_by_the_clock_between_its_polls() -> None:
    silent = Progress(stage=Stage.GENERATING, percent=10, estimated=True)
    job = replace(RUNNING, submit_time=2000, progress=silent)
    now = progress_now(job, MEDIAN, 2000 + 5 * MINUTE)
    assert (now.percent, now.estimated, now.remaining_ms) == (40, True, 5 * MINUTE)
    # And never falls behind what was told
    later = replace(job, progress=replace(silent, percent=60))
    assert progress_now(later, MEDIAN, 2000 + 5 * MINUTE).percent == 60


def test_what_a_provider_said_itself_is_no_estimate() -> None:
    job = replace(RUNNING, submit_time=2000)
    now = progress_now(job, MEDIAN, 2000 + 5 * MINUTE)
    assert (now.percent, now.estimated) == (30, False)


@pytest.mark.parametrize("state", [State.QUEUED, State.RECONCILING, State.SUCCEEDED])
def test_a_job_that_does_not_run_has_no_time_left(state: State) -> None:
    job = replace(RUNNING, state=state)
    assert progress_now(job, MEDIAN, 2000) == job.progress
