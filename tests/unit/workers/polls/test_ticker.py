"""Bars that move between two polls."""

import pytest

from core.jobs import Job, Progress, Stage
from core.store import Database
from tests.making import IMAGE, job_value
from tests.unit.workers.conftest import Told
from tests.unit.workers.polls.test_poller_pace import TOOK
from tests.unit.workers.running import paid_image
from workers.polls import ticker as module
from workers.polls.ticker import MOST_TICKS, TICK_SECONDS, Ticker

LONG_MS = 600_000


class Clock:
    """Stands in for `time.monotonic`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def operation(**changes: object) -> Job:
    """One whose model takes 100 s."""
    return job_value(spec=IMAGE, attempt=1, **changes)


def percents(told: Told) -> list[int]:
    return [tick.progress.percent for tick in told.ticks]


def test_the_bar_of_an_operation_moves_by_the_clock(
    ticker: Ticker, told: Told, clock: Clock
) -> None:
    job = operation()
    ticker.follow(job, age_ms=10_000, pause_ms=LONG_MS, percent=8)
    for _ in range(3):
        ticker.tick()
        clock.now += 5

    assert percents(told) == [12, 16]
    tick = told.ticks[0]
    assert (tick.user_id, tick.job_id, tick.attempt) == ("alice", job.job_id, 1)
    assert tick.progress == Progress(stage=Stage.GENERATING, percent=12, estimated=True)


def test_a_tick_says_how_long_the_operation_still_takes_if_past_runs_are_known(
    ticker: Ticker, told: Told, clock: Clock, db: Database
) -> None:
    job_id = paid_image(db)
    db.write(lambda session: session.run(TOOK, job_id=job_id, run_ms=100_000))
    ticker.follow(operation(), age_ms=10_000, pause_ms=LONG_MS, percent=0)
    ticker.tick()
    assert told.ticks[0].progress.remaining_ms == 90_000


def test_it_is_told_no_more_often_than_every_two_seconds(
    ticker: Ticker, told: Told, clock: Clock
) -> None:
    ticker.follow(operation(), age_ms=10_000, pause_ms=LONG_MS, percent=0)
    for _ in range(20):
        ticker.tick()
        clock.now += TICK_SECONDS / 10
    assert len(told.ticks) == 2


def test_after_the_poll_that_was_planned_the_operation_is_left_to_whoever_polled_it(
    ticker: Ticker, told: Told, clock: Clock
) -> None:
    ticker.follow(operation(), age_ms=0, pause_ms=10_000, percent=0)
    clock.now += 11
    ticker.tick()
    assert told.ticks == []


def test_the_bar_never_goes_back(ticker: Ticker, told: Told, clock: Clock) -> None:
    job = operation()
    ticker.follow(job, age_ms=1000, pause_ms=LONG_MS, percent=70)
    ticker.tick()
    clock.now += 95
    ticker.tick()
    assert percents(told) == [76]
    # And whoever writes the next percent down learns of it.
    assert ticker.forget(job.job_id) == 76
    assert ticker.forget(job.job_id) == 0


def test_of_very_many_each_has_its_turn(ticker: Ticker, told: Told, clock: Clock) -> None:
    jobs = [operation() for _ in range(2 * MOST_TICKS + 1)]
    for job in jobs:
        ticker.follow(job, age_ms=50_000, pause_ms=LONG_MS, percent=0)
    for ticks in (MOST_TICKS, 2 * MOST_TICKS, 2 * MOST_TICKS + 1):
        ticker.tick()
        clock.now += TICK_SECONDS
        assert len({tick.job_id for tick in told.ticks}) == ticks


def test_what_is_polled_again_at_once_is_not_followed(ticker: Ticker, told: Told) -> None:
    ticker.follow(operation(), age_ms=50_000, pause_ms=500, percent=0)
    ticker.tick()
    assert told.ticks == []
