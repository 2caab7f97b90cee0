"""Submits that come to something later: safe retries, open circuits, late answers."""

from concurrent.futures import Future

import pytest

from core.errors import Reason
from core.jobs import CostState, JobFailure, Outcome, State
from core.store import Database, circuits, polls, submits, transitions
from tests.making import MICROS, money
from tests.unit.workers.running import (
    DUE,
    RUN_OUT,
    execute,
    failing,
    failure_of,
    job_of,
    paid_image,
)
from tests.unit.workers.runs.test_submit import AWAY, outcomes, waits_ms
from tests.unit.workers.scripted import ScriptedPaid
from workers.providers import OutcomeUnknown, TryLater
from workers.runs.pipeline import Pipeline


def test_a_provider_that_says_when_is_asked_then(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.submitting = failing(TryLater(AWAY, delay_ms=50_000, sent=True))
    job_id = paid_image(db)
    pipeline.run_next("image")
    assert 40_000 < waits_ms(db, job_id) <= 50_000


def test_else_the_pause_doubles_with_jitter(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.submitting = failing(TryLater(AWAY, sent=True))
    job_id = paid_image(db)
    for most in (1000, 2000, 4000, 8000):
        pipeline.run_next("image")
        # A wide left edge: this machine may be slow.
        assert most / 2 - 400 < waits_ms(db, job_id) <= most
        execute(db, DUE, job_id)
    assert len(payee.submitted) == 4


def test_when_the_deadline_leaves_no_time_for_another_try_it_ends_with_the_reason(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.submitting = failing(TryLater(AWAY, delay_ms=120_000))
    job_id = paid_image(db, finish_within_ms=60_000)
    pipeline.run_next("image")

    assert failure_of(db, job_id) == AWAY
    assert job_of(db, job_id).cost.state is CostState.RELEASED
    assert (len(payee.submitted), money(db)) == (1, (0, 0))


def test_after_some_failures_a_provider_is_left_alone_until_it_answers(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    # Given a provider that three jobs could not reach
    payee.submitting = failing(TryLater(AWAY))
    made = [paid_image(db) for _ in range(4)]
    for _ in range(3):
        assert pipeline.run_next("image")

    # Then no other starts, and none is tried again, though its pause were over
    for job_id in made:
        execute(db, DUE, job_id)
    assert circuits.open_circuits(db).keys() == {"paid"}
    assert not pipeline.run_next("image")
    assert job_of(db, made[3]).state is State.QUEUED
    assert len(payee.submitted) == 3

    # When its time is over and the provider answers, all go on
    payee.submitting = lambda job, read: None
    db.write(lambda session: circuits.answered(session, "paid"))
    while pipeline.run_next("image"):
        pass
    assert {job_of(db, job_id).state for job_id in made} == {State.SUCCEEDED}


def test_a_try_that_the_open_circuit_leaves_no_time_for_is_not_waited_for(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.submitting = failing(TryLater(AWAY))
    made = [paid_image(db, finish_within_ms=30_000) for _ in range(3)]
    for _ in made:
        pipeline.run_next("image")
    # The circuit is open for a minute.
    assert failure_of(db, made[2]).reason is Reason.PROVIDER_UNAVAILABLE
    assert job_of(db, made[0]).state is State.RUNNING


def late_answer(payee: ScriptedPaid) -> "Future[str]":
    late: Future[str] = Future()
    payee.submitting = failing(OutcomeUnknown("no answer in time", late=late))
    return late


def test_an_answer_that_comes_late_is_adopted(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    late = late_answer(payee)
    job_id = paid_image(db)
    pipeline.run_next("image")
    assert job_of(db, job_id).state is State.RECONCILING

    late.set_result("late operation")

    job = job_of(db, job_id)
    assert (job.state, job.provider_operation) == (State.RUNNING, "late operation")
    assert job.cost.state is CostState.RESERVED
    assert polls.next_poll_ms(db, ["image"]) is not None
    assert len(payee.submitted) == 1


def test_also_one_that_came_before_the_call_was_given_up(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    late_answer(payee).set_result("late operation")
    job_id = paid_image(db)
    pipeline.run_next("image")
    assert job_of(db, job_id).state is State.RUNNING
    assert outcomes(db, job_id) == [Outcome.ACCEPTED]


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
def test_an_answer_that_never_comes_changes_nothing(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, end: str
) -> None:
    late = late_answer(payee)
    job_id = paid_image(db)
    pipeline.run_next("image")
    if end == "fails":
        late.set_exception(TimeoutError())
    else:
        late.cancel()
        late.set_running_or_notify_cancel()
    assert job_of(db, job_id).state is State.RECONCILING


def test_an_answer_after_the_end_stops_the_operation_and_corrects_the_cost(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    late = late_answer(payee)
    job_id = paid_image(db)
    pipeline.run_next("image")
    transitions.cancel(db, "alice", job_id, "")
    assert money(db) == (0, MICROS)

    late.set_result("late operation")

    job = job_of(db, job_id)
    assert (job.state, job.cost.state) == (State.CANCELLED, CostState.RELEASED)
    assert payee.cancelled == [(job_id, "late operation")]
    assert (outcomes(db, job_id), money(db)) == ([Outcome.ACCEPTED], (0, 0))


def test_one_that_was_settled_between_claim_and_look_goes_on_at_once(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a worker that died after the provider was done at once
    payee.submitting = failing(SystemExit())
    job_id = paid_image(db)
    with pytest.raises(SystemExit):
        pipeline.run_next("image")
    execute(db, RUN_OUT, job_id)

    # When its journal is read just after another run claimed the job
    real = submits.unknown

    def late(db: Database, run: object) -> object:
        submits.accepted(db, job_id, 1, "operation 1", done=True)
        return real(db, run)  # type: ignore[arg-type]

    monkeypatch.setattr(submits, "unknown", late)
    pipeline.run_next("image")

    # Then the result is fetched without waiting for a lease to run out
    assert pipeline.run_next("image")
    job = job_of(db, job_id)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)


def test_a_job_that_waited_too_long_is_not_paid_for(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    job_id = paid_image(db, start_within_ms=-1)
    pipeline.run_next("image")
    assert failure_of(db, job_id).reason is Reason.START_DEADLINE_EXCEEDED
    other = paid_image(db, finish_within_ms=-1)
    pipeline.run_next("image")
    assert failure_of(db, other).reason is Reason.FINISH_DEADLINE_EXCEEDED
    assert (payee.submitted, money(db)) == ([], (0, 0))


def test_a_job_of_a_paid_provider_that_is_not_configured_is_free(
    pipeline: Pipeline, db: Database
) -> None:
    job_id = paid_image(db, provider="elsewhere")
    pipeline.run_next("image")
    assert failure_of(db, job_id) == JobFailure(
        reason=Reason.PROVIDER_NOT_CONFIGURED,
        message="The provider elsewhere is not configured here.",
    )
    assert money(db) == (0, 0)
