"""Submits to a provider that keeps failing: few jobs are lost to it, and it is asked again."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from core.jobs import State
from core.process import failpoints
from core.process.failpoints import FailpointHit
from core.store import Database, circuits
from core.store.engine.sql import Statement
from tests.services import wait_for
from tests.unit.workers.running import (
    DUE,
    circuits_are_due,
    execute,
    failing,
    job_of,
    paid_image,
)
from tests.unit.workers.runs.test_submit import AWAY, waits_ms
from tests.unit.workers.runs.test_submit_later import late_answer
from tests.unit.workers.scripted import ScriptedPaid
from workers.providers import OutcomeUnknown, TryLater
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_failpoint_is_left")

THREADS = 4
# As `submitter` has it.
FAILURES = 3
STATE = Statement("SELECT state FROM job WHERE job_id = :job_id")


def state(db: Database, job_id: str) -> State:
    row = db.row(STATE, job_id=job_id)
    assert row is not None
    return State(row[0])


def run_all(pipeline: Pipeline) -> None:
    """Runs what can be run in several threads, until none of them finds a job."""

    def work(_: int) -> None:
        while pipeline.run_next("image"):
            pass

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


def test_a_queue_is_not_burnt_by_a_provider_that_fails_at_every_submit(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    # Given twenty jobs and a provider that answers 503 to each
    payee.submitting = failing(OutcomeUnknown("503"))
    made = [paid_image(db, user_id=f"user-{number}") for number in range(20)]

    # When several threads run them
    run_all(pipeline)

    # Then it is left alone after a few, and what was under way meanwhile
    burnt = len(payee.submitted)
    assert FAILURES <= burnt < FAILURES + THREADS
    # And after its time one more is lost each time
    for _ in range(3):
        circuits_are_due(db)
        run_all(pipeline)
        burnt += 1
        assert len(payee.submitted) == burnt

    # When it answers again, all others go on
    payee.submitting = lambda job, read: None
    circuits_are_due(db)
    for job_id in made:
        execute(db, DUE, job_id)  # those that were handed back because another tried
    while pipeline.run_next("image"):
        pass
    assert len(payee.submitted) == len(made)
    assert circuits.open_circuits(db) == {}


def test_while_one_job_tries_it_no_other_is_sent_however_long_that_takes(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    made = [paid_image(db, user_id=f"user-{number}") for number in range(6)]
    circuits.failed(db, "paid", 1, 60_000)
    circuits_are_due(db)
    answered = threading.Event()
    payee.submitting = lambda job, read: answered.wait(20)
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(pipeline.run_next, "image")
        wait_for(lambda: payee.submitted, "the submit that tries")
        circuits_are_due(db)
        run_all(pipeline)
        assert len(payee.submitted) == 1
        answered.set()
        assert trial.result(20)

    while pipeline.run_next("image"):
        pass
    assert len(payee.submitted) == len(made)


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer in time"), RuntimeError("a bug")])
def test_a_submit_without_an_answer_is_a_failure_of_its_provider(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, error: Exception
) -> None:
    payee.submitting = failing(error)
    made = [paid_image(db, user_id=f"user-{number}") for number in range(8)]
    while pipeline.run_next("image"):
        pass
    assert len(payee.submitted) == FAILURES
    assert circuits.open_circuits(db).keys() == {"paid"}
    waiting = [job_id for job_id in made if state(db, job_id) is State.QUEUED]
    assert len(waiting) == len(made) - FAILURES


@pytest.mark.parametrize("place", ["submit.before_send", "submit.after_answer"])
def test_what_breaks_here_is_no_failure_of_the_provider(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, place: str
) -> None:
    failpoints.arm(f"{place}=exception*1")
    job_id = paid_image(db)
    with suppress(FailpointHit):
        pipeline.run_next("image")
    assert job_of(db, job_id).state is State.RECONCILING
    execute(db, DUE, job_id)
    circuits.failed(db, "paid", 2, 60_000)
    assert circuits.open_circuits(db) == {}


def test_an_answer_that_comes_late_is_an_answer(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    answers = []
    for number in range(FAILURES):
        answers.append(late_answer(payee))
        paid_image(db, user_id=f"user-{number}")
        while pipeline.run_next("image"):
            pass
    assert circuits.open_circuits(db).keys() == {"paid"}
    answers[0].set_result("late operation")
    assert circuits.open_circuits(db) == {}


def refuse(delay_ms: int | None) -> Callable[..., object]:
    answer: Callable[..., object] = failing(TryLater(AWAY, delay_ms=delay_ms, sent=True))
    return answer


def test_who_asks_for_a_pause_is_sent_nothing_meanwhile(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.submitting = refuse(500_000)
    # Both have the same turn: then the ids say which is first.
    first, other = sorted((paid_image(db), paid_image(db, user_id="bob")))
    pipeline.run_next("image")
    assert not pipeline.run_next("image")
    assert (len(payee.submitted), state(db, other)) == (1, State.QUEUED)
    # A long pause means the one job; others may try again after a minute.
    assert waits_ms(db, first) > 300_000
    assert circuits.left_alone(db)["paid"].until <= db.now_ms() + 60_000

    payee.submitting = lambda job, read: None
    circuits_are_due(db)
    assert pipeline.run_next("image")
    assert state(db, other) is State.SUCCEEDED


def test_a_refusal_that_names_no_pause_is_for_the_one_job(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.submitting = refuse(None)
    for number in range(5):
        paid_image(db, user_id=f"user-{number}")
    while pipeline.run_next("image"):
        pass
    assert len(payee.submitted) == 5
    assert circuits.left_alone(db) == {}
