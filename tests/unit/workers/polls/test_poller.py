"""The poller: what providers say of their operations becomes what the jobs do next."""

import threading
from typing import Any

import pytest

from core.errors import DependencyUnavailable, Reason, StorageFull
from core.jobs import CostState, JobFailure, State
from core.process import failpoints
from core.store import Database, claims, polls, transitions
from tests.making import MICROS, money
from tests.services import wait_for
from tests.unit.workers.conftest import Told
from tests.unit.workers.polling import fetchable, handed_back, operation, polled
from tests.unit.workers.running import (
    DUE,
    RUN_OUT,
    execute,
    failure_of,
    job_of,
)
from tests.unit.workers.scripted import ScriptedPaid
from workers.polls.poller import Poller
from workers.providers import Done, Pending, ProviderFailed, TryLater
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_failpoint_is_left")

AWAY = JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message="It is away.")


@pytest.fixture(autouse=True)
def not_done_at_once(payee: ScriptedPaid) -> None:
    payee.done = False


@pytest.fixture
def no_thread_is_left(poller: Poller) -> Any:
    before = set(threading.enumerate())
    yield
    poller.close()
    assert set(threading.enumerate()) <= before


@pytest.mark.usefixtures("no_thread_is_left")
def test_an_operation_is_polled_until_it_is_done_and_then_fetched(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    payee.answers.extend([Pending(1), Pending(1, percent=40), Done(MICROS - 1)])
    job_id = operation(db, pipeline)
    told.woken.clear()
    poller.start()

    fetchable(db)
    assert payee.polled == ["operation 1"] * 3
    wait_for(lambda: told.woken == ["image"], "a wake-up")
    assert pipeline.run_next("image")

    job = job_of(db, job_id)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1)
    assert (job.cost.state, job.cost.actual_micros) == (CostState.CHARGED, MICROS - 1)
    assert job.outputs[0].cost_micros == MICROS - 1
    assert (payee.submitted, payee.fetched) == ([f"{job_id}.1"], [("operation 1", 0)])
    assert money(db) == (0, MICROS - 1)


def test_the_percent_is_the_provider_s_and_never_falls(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    for percent in (10, 60, 30, None, 70):
        payee.answers.append(Pending(1, percent=percent))
    payee.answers.append(Pending(600_000, percent=5))
    job_id = operation(db, pipeline)
    poller.start()
    polled(payee, 6)

    handed_back(db, job_id, 100_000)
    assert job_of(db, job_id).progress.percent == 70
    percents = [tick.progress.percent for tick in told.ticks]
    assert percents == sorted(percents)
    assert set(percents) == {10, 60, 70}


def test_an_operation_is_not_asked_for_before_its_time(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.delay_ms = 600_000
    late = operation(db, pipeline)
    payee.delay_ms = 0
    operation(db, pipeline)
    poller.start()
    fetchable(db)
    assert payee.polled == ["operation 2"]

    execute(db, DUE, late)
    polled(payee, 2)


@pytest.mark.parametrize(
    ("error", "cost", "spent"),
    [
        (ProviderFailed(AWAY), CostState.UNCERTAIN, MICROS),
        (ProviderFailed(AWAY, CostState.RELEASED), CostState.RELEASED, 0),
        (ProviderFailed(AWAY, CostState.CHARGED, MICROS // 2), CostState.CHARGED, MICROS // 2),
    ],
)
def test_an_operation_that_failed_costs_what_the_provider_says(
    pipeline: Pipeline,
    poller: Poller,
    db: Database,
    payee: ScriptedPaid,
    error: Exception,
    cost: CostState,
    spent: int,
) -> None:
    payee.answers.append(error)
    job_id = operation(db, pipeline)
    poller.start()
    wait_for(lambda: job_of(db, job_id).state.terminal, "the end")
    assert (failure_of(db, job_id), job_of(db, job_id).cost.state) == (AWAY, cost)
    assert money(db) == (0, spent)


def test_a_provider_that_can_not_be_asked_now_is_asked_later(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.answers.append(TryLater(AWAY, delay_ms=50_000))
    job_id = operation(db, pipeline)
    poller.start()
    assert handed_back(db, job_id, 30_000) <= 50_000
    execute(db, DUE, job_id)
    fetchable(db)


def test_an_operation_that_was_paid_for_has_all_its_time(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.answers.append(TryLater(AWAY, delay_ms=120_000))
    job_id = operation(db, pipeline, finish_within_ms=60_000)
    poller.start()
    polled(payee, 1)

    # It is handed back until its deadline at the latest, and not given up before
    assert handed_back(db, job_id, least_ms=1000) <= 60_000
    assert job_of(db, job_id).state is State.RUNNING


def test_a_bug_in_a_poll_costs_nothing_but_time(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.answers.extend([ZeroDivisionError(), OSError(), TimeoutError()])
    job_id = operation(db, pipeline)
    poller.start()
    for count in (1, 2, 3):
        polled(payee, count)
        handed_back(db, job_id, 5000)
        execute(db, DUE, job_id)
    fetchable(db)
    assert len(payee.polled) == 4


@pytest.mark.parametrize("place", ["poll.after_get", "poll.before_commit"])
def test_wherever_a_round_breaks_the_operation_is_polled_again(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, place: str
) -> None:
    failpoints.arm(f"{place}=exception*1")
    job_id = operation(db, pipeline)
    poller.start()
    polled(payee, 1)
    if place == "poll.before_commit":
        # As if the lease of the claim had run out; before that nobody may.
        wait_for(lambda: job_of(db, job_id).attempt == 1, "the claim")
        execute(db, RUN_OUT, job_id)
    else:
        handed_back(db, job_id, 5000)
        execute(db, DUE, job_id)
    fetchable(db)
    assert len(payee.submitted) == 1


@pytest.mark.parametrize("cost", [CostState.RELEASED, CostState.CHARGED])
def test_a_cancel_between_two_polls_stops_the_operation(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, cost: CostState
) -> None:
    payee.answers.append(Pending(600_000))
    payee.cancelling = lambda job: cost
    job_id = operation(db, pipeline)
    poller.start()
    handed_back(db, job_id, 100_000)

    transitions.cancel(db, "alice", job_id, "")

    wait_for(lambda: job_of(db, job_id).state is State.CANCELLED, "the cancel")
    assert job_of(db, job_id).cost.state is cost
    assert (payee.cancelled, len(payee.polled)) == ([(job_id, "operation 1")], 1)


def test_a_cancel_during_a_poll_does_not_wait_for_the_next(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    async def cancel(job: Any) -> None:
        transitions.cancel(db, "alice", job.job_id, "")

    payee.polling = cancel
    payee.answers.append(Pending(600_000))
    job_id = operation(db, pipeline)
    poller.start()
    wait_for(lambda: job_of(db, job_id).state is State.CANCELLED, "the cancel")


def test_an_operation_of_a_provider_that_is_not_configured_here_waits_for_another_worker(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid, providers: Any
) -> None:
    job_id = operation(db, pipeline)
    del providers["paid"]
    poller.start()
    assert handed_back(db, job_id, 200) <= 1000
    assert job_of(db, job_id).state is State.RUNNING

    providers["paid"] = payee
    execute(db, DUE, job_id)
    fetchable(db)


def test_polls_that_were_lost_with_their_workers_cost_no_attempt(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    job_id = operation(db, pipeline)
    for _ in range(5):
        assert polls.claim_polls(db, ["image"], "dead", -1, 10)
    poller.start()
    fetchable(db)
    assert job_of(db, job_id).attempt == 1


@pytest.mark.parametrize("error", [DependencyUnavailable("database"), StorageFull()])
def test_what_can_not_be_written_now_keeps_nothing_else_from_it(
    pipeline: Pipeline,
    poller: Poller,
    db: Database,
    payee: ScriptedPaid,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    first, second = operation(db, pipeline), operation(db, pipeline)
    real = claims.fetch_next

    def flaky(db: Database, run: claims.Run, charged: int | None) -> bool:
        if run.job_id == first:
            raise error
        return real(db, run, charged)

    monkeypatch.setattr(claims, "fetch_next", flaky)
    poller.start()
    fetchable(db)
    claim = claims.claim(db, "image", "w", 60_000, 4)
    assert claim is not None
    assert claim.run.job_id == second


def test_all_that_are_due_are_polled(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, poller: Poller
) -> None:
    made = [operation(db, pipeline, user_id=f"user-{number}") for number in range(60)]
    poller.start()
    wait_for(lambda: claims.claimable(db, "image", 4, 100) == len(made), "all of them")
    assert sorted(payee.polled) == sorted(f"operation {n + 1}" for n in range(len(made)))


@pytest.mark.usefixtures("no_thread_is_left")
def test_one_that_never_started_can_be_closed(poller: Poller) -> None:
    poller.nudge()
    poller.close()


def test_a_failing_look_does_not_end_it(
    pipeline: Pipeline, poller: Poller, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation(db, pipeline)
    with monkeypatch.context() as patch:
        looks: list[int] = []
        errors = [DependencyUnavailable("database"), ZeroDivisionError()]

        def look(*_: object) -> int:
            looks.append(1)
            raise errors[len(looks) % 2]

        patch.setattr(polls, "next_poll_ms", look)
        poller.start()
        wait_for(lambda: len(looks) >= 3, "more looks")
    assert poller.alive
    fetchable(db)
