"""The poller's pace: when it asks next, what it tells meanwhile, and when it leaves one alone."""

import asyncio
import time
from typing import Any

import pytest

from core.errors import DependencyUnavailable, Reason
from core.jobs import JobFailure, Progress, Stage
from core.store import Database, circuits, polls, workers
from core.store.engine.sql import Statement
from core.store.places import Queues
from tests.services import wait_for
from tests.unit.workers.conftest import Told
from tests.unit.workers.running import DUE, NEXT_RUN, execute, failing, job_of, paid_image
from tests.unit.workers.scripted import ScriptedPaid
from workers.polls.paces import Paces
from workers.polls.poller import Poller
from workers.polls.ticker import Ticker
from workers.providers import Pending, TryLater
from workers.runs.pipeline import Pipeline

AWAY = JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message="It is away.")
OLD = Statement(
    "UPDATE job SET start_time = start_time - :age_ms, submit_time = submit_time - :age_ms"
    " WHERE job_id = :job_id"
)
REFUSED_LONG = Statement("UPDATE job SET start_time = start_time - 600000 WHERE job_id = :job_id")
TOOK = Statement(
    "UPDATE job SET state = 'SUCCEEDED', start_time = 0, end_time = :run_ms WHERE job_id = :job_id"
)


@pytest.fixture(autouse=True)
def not_done_at_once(payee: ScriptedPaid) -> None:
    payee.done = False


def operation(db: Database, pipeline: Pipeline, age_ms: int = 0, **changes: Any) -> str:
    """A job whose operation is to be polled; its model takes 100 s, its polls are 10 s apart."""
    job_id = paid_image(db, **changes)
    assert pipeline.run_next("image")
    db.write(lambda session: session.run(OLD, job_id=job_id, age_ms=age_ms))
    return job_id


def pause_of(db: Database, job_id: str, least_ms: int = 5000) -> int:
    def left() -> int:
        row = db.row(NEXT_RUN, job_id=job_id)
        return int(row[0]) if row is not None and row[0] > least_ms else 0

    return wait_for(left, "the next poll to be written down")


@pytest.mark.parametrize(("age_ms", "pause_ms"), [(0, 40_000), (50_000, 25_000), (99_000, 10_000)])
def test_the_nearer_the_expected_end_the_sooner_it_asks_again(
    pipeline: Pipeline,
    poller: Poller,
    db: Database,
    payee: ScriptedPaid,
    age_ms: int,
    pause_ms: int,
) -> None:
    payee.answers.append(Pending())
    job_id = operation(db, pipeline, age_ms)
    poller.start()
    assert pause_ms * 0.8 < pause_of(db, job_id) <= pause_ms * 1.2


def test_the_time_in_which_it_was_refused_does_not_make_an_operation_older(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    # Given ten minutes of refusals before the submit
    payee.answers.append(Pending())
    job_id = operation(db, pipeline, age_ms=50_000)
    execute(db, REFUSED_LONG, job_id)
    poller.start()

    # Then it is polled, and shown, as what it is: 50 s old
    assert 20_000 < pause_of(db, job_id) <= 30_000
    assert 40 <= job_of(db, job_id).progress.percent < 50


def test_what_the_provider_asks_for_comes_first(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.answers.append(Pending(90_000))
    job_id = operation(db, pipeline, age_ms=99_000)
    poller.start()
    assert 60_000 < pause_of(db, job_id) <= 90_000


@pytest.mark.parametrize(
    "error",
    [TryLater(AWAY), TryLater(AWAY, sent=True), ZeroDivisionError(), TimeoutError()],
    ids=["not reached", "refused", "a bug", "no answer"],
)
def test_a_poll_without_an_answer_is_made_again_as_late_as_any_and_then_later(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, error: Exception
) -> None:
    payee.answers.extend([error, error])
    job_id = operation(db, pipeline)
    poller.start()
    # Its model's polls are 10 s apart.
    assert 7_000 < pause_of(db, job_id) <= 12_000
    execute(db, DUE, job_id)
    poller.nudge()
    assert 17_000 < pause_of(db, job_id, least_ms=13_000) <= 24_000


def test_the_first_poll_waits_as_long_as_hardly_a_run_takes_less(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.delay_ms = None
    # Where nothing was measured, by the typical time of the catalog
    assert 30_000 < pause_of(db, operation(db, pipeline)) <= 48_000

    # And else by what was
    for number in range(10):
        job_id = paid_image(db, user_id=f"user-{number}")
        values = {"job_id": job_id, "run_ms": 500_000 + number * 10_000}
        db.write(lambda session, values=values: session.run(TOOK, **values))
    assert 300_000 < pause_of(db, operation(db, pipeline)) <= 490_000


def test_an_operation_that_says_nothing_is_shown_by_the_clock_and_called_an_estimate(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    payee.answers.append(Pending())
    job_id = operation(db, pipeline, age_ms=50_000)
    poller.start()
    pause_of(db, job_id)
    progress = job_of(db, job_id).progress
    assert progress in [
        Progress(stage=Stage.GENERATING, percent=percent, estimated=True) for percent in (40, 41)
    ]
    wait_for(lambda: progress in [tick.progress for tick in told.ticks], "a tick")


def test_what_the_provider_says_is_no_estimate_and_stays_the_last_word(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    payee.answers.extend([Pending(1, percent=55), Pending(60_000)])
    job_id = operation(db, pipeline, age_ms=99_000)
    poller.start()
    pause_of(db, job_id)
    assert job_of(db, job_id).progress == Progress(stage=Stage.GENERATING, percent=55)
    assert [tick.progress.estimated for tick in told.ticks] == [False]


def test_the_bar_moves_from_the_submit_on(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, told: Told, ticker: Ticker
) -> None:
    payee.delay_ms = None
    job_id = operation(db, pipeline)
    wait_for(lambda: ticker.tick() or told.ticks, "a tick")
    tick = told.ticks[0]
    assert (tick.job_id, tick.attempt, tick.progress.estimated) == (job_id, 1, True)


def test_what_may_be_done_is_looked_at_once_more_before_its_deadline(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.answers.append(Pending(600_000))
    job_id = operation(db, pipeline, finish_within_ms=60_000)
    poller.start()
    assert 30_000 < pause_of(db, job_id) <= 58_000


def test_polls_that_reach_nobody_open_the_circuit_and_who_waits_learns_of_it(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    # Given a provider that can't be reached, and a job that waits
    made = [operation(db, pipeline, user_id=f"user-{number}") for number in range(3)]
    waiting = paid_image(db, user_id="late")
    workers.beat(db, "worker", ["image"])
    payee.answers.extend(TryLater(AWAY) for _ in made)
    poller.start()

    # Then after three in a row it is left alone
    wait_for(lambda: circuits.open_circuits(db), "an open circuit")
    place = Queues(db, 100).place(waiting)
    assert place is not None
    assert place.blocked_reason.startswith("the provider paid does not answer")
    for job_id in made:
        pause_of(db, job_id, least_ms=0)
        execute(db, DUE, job_id)
    time_passes(poller)
    assert len(payee.polled) == 3


def time_passes(poller: Poller) -> None:
    """A few rounds of the poller."""
    for _ in range(5):
        done = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.06), poller._asyncio)
        done.result(10)


def test_an_answer_closes_the_circuit(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.answers.append(Pending(60_000))
    job_id = operation(db, pipeline)
    circuits.failed(db, "paid", 1, 60_000, polling=True)
    poller.start()
    wait_for(lambda: not circuits.open_circuits(db), "a closed circuit")
    assert pause_of(db, job_id) > 0


def test_who_asks_for_a_pause_is_asked_for_nothing_meanwhile(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, providers: Any
) -> None:
    payee.answers.append(TryLater(AWAY, delay_ms=50_000, sent=True))
    first = operation(db, pipeline)
    poller.start()
    assert 30_000 < pause_of(db, first) <= 50_000

    # Then no other operation of the provider is polled, while those of others are
    other = providers["other"] = ScriptedPaid(done=False)
    operation(db, pipeline)
    operation(db, pipeline, provider="other")
    wait_for(lambda: other.polled, "a poll of the other")
    assert len(payee.polled) == 1
    assert not circuits.failing_polls(db)


def test_a_poll_that_was_given_up_late_says_nothing_of_the_provider(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    async def freeze(_: object) -> None:
        # The whole process, once, as SIGSTOP does.
        payee.polling = None
        time.sleep(1.2)  # noqa: ASYNC251
        await asyncio.Event().wait()

    payee.polling = freeze
    payee.answers.append(Pending(60_000))
    job_id = operation(db, pipeline)
    poller._lease_ms = 1000
    poller.start()
    pause_of(db, job_id)
    poller.close()
    assert not circuits.failing_polls(db)


def test_what_can_not_be_written_down_is_polled_again(
    pipeline: Pipeline,
    poller: Poller,
    db: Database,
    payee: ScriptedPaid,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payee.answers.extend([Pending(), Pending(60_000)])
    job_id = operation(db, pipeline)
    real, failed = polls.postpone, []

    def flaky(*arguments: Any) -> int:
        if not failed:
            failed.append(1)
            raise DependencyUnavailable("database")
        return real(*arguments)

    monkeypatch.setattr(polls, "postpone", flaky)
    poller._lease_ms = 1000
    poller.start()
    pause_of(db, job_id)
    assert len(payee.polled) == 2


def test_an_operation_is_recorded_also_when_nobody_knows_its_pace(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, monkeypatch: pytest.MonkeyPatch
) -> None:
    payee.delay_ms = None
    monkeypatch.setattr(Paces, "first_ms", failing(ZeroDivisionError()))
    job_id = operation(db, pipeline)
    assert job_of(db, job_id).provider_operation == "operation 1"
    assert 10_000 < pause_of(db, job_id) <= 30_000
