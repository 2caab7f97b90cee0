"""Submits of unknown outcome: looked up, adopted, sent again where that is safe, or given up."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import Reason
from core.jobs import CostState, JobFailure, Outcome, State
from core.store import Database, polls, submits, transitions
from core.store.engine.sql import Statement
from tests.making import MICROS, money
from tests.unit.workers.conftest import Told
from tests.unit.workers.running import (
    DUE,
    RUN_OUT,
    execute,
    failing,
    failure_of,
    job_of,
    paid_image,
)
from tests.unit.workers.runs.test_submit import outcomes, waits_ms
from tests.unit.workers.scripted import ScriptedPaid
from workers.providers import OutcomeUnknown, TryLater
from workers.runs.journal import Entry, Journal
from workers.runs.pipeline import Pipeline

LONG_AGO = Statement("UPDATE intent SET outcome_time = 1 WHERE job_id = :job_id")
AWAY = JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message="It is away.")
CANT_TELL = [TryLater(AWAY), OSError(), ZeroDivisionError()]


def in_doubt(pipeline: Pipeline, db: Database, payee: ScriptedPaid) -> str:
    """A job with a submit of which no answer came, and whose operation may still turn up."""
    payee.submitting = failing(OutcomeUnknown())
    job_id = paid_image(db)
    pipeline.run_next("image")
    payee.submitting = lambda job, read: None
    assert job_of(db, job_id).state is State.RECONCILING
    return job_id


def look(pipeline: Pipeline, db: Database, job_id: str) -> None:
    """The next look, as if it were time for it."""
    execute(db, DUE, job_id)
    assert pipeline.run_next("image")


@pytest.fixture
def resubmits(pipeline: Pipeline) -> Pipeline:
    """With the policy resubmit_after_lookup."""
    return replace(pipeline, reconciler=replace(pipeline.reconciler, resubmits=True))


def test_a_provider_that_knows_the_submission_gives_its_operation(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    payee.can_look_up, payee.looking_up = True, lambda key: f"operation of {key}"
    job_id = in_doubt(pipeline, db, payee)
    look(pipeline, db, job_id)

    job = job_of(db, job_id)
    assert (job.state, job.provider_operation) == (State.RUNNING, f"operation of {job_id}.1")
    assert (payee.looked_up, len(payee.submitted)) == ([f"{job_id}.1"], 1)
    assert told.events[-1].job == job
    assert polls.next_poll_ms(db, ["image"]) is not None


def test_one_that_does_not_know_it_yet_is_asked_again(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    payee.can_look_up = True
    job_id = in_doubt(pipeline, db, payee)
    look(pipeline, db, job_id)
    assert 20_000 < waits_ms(db, job_id) <= 30_000

    payee.looking_up = lambda key: "operation"
    look(pipeline, db, job_id)
    assert job_of(db, job_id).state is State.RUNNING
    assert job_of(db, job_id).attempt == 1


def test_one_that_can_not_look_up_is_left_alone_until_the_time_is_over(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    job_id = in_doubt(pipeline, db, payee)
    look(pipeline, db, job_id)
    assert 500_000 < waits_ms(db, job_id) <= 600_000
    assert payee.looked_up == []


def test_at_the_end_it_is_given_up_and_counts_as_spent(
    resubmits: Pipeline, pipeline: Pipeline, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    # Given the policy never_resubmit, or a provider that can't look up
    for chosen, can_look_up in ((pipeline, True), (pipeline, False), (resubmits, False)):
        payee.can_look_up = can_look_up
        spent = money(db)[1]
        job_id = in_doubt(chosen, db, payee)
        execute(db, LONG_AGO, job_id)
        look(chosen, db, job_id)

        assert failure_of(db, job_id).reason is Reason.SUBMIT_OUTCOME_UNKNOWN
        assert job_of(db, job_id).cost.state is CostState.UNCERTAIN
        assert told.events[-1].job.job_id == job_id
        assert money(db) == (0, spent + MICROS)
    assert len(payee.submitted) == 3


def test_where_the_policy_allows_it_one_that_never_arrived_is_sent_again(
    resubmits: Pipeline, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    payee.can_look_up = True
    job_id = in_doubt(resubmits, db, payee)
    # Not before the whole time is over: a provider may list it late
    look(resubmits, db, job_id)
    assert job_of(db, job_id).state is State.RECONCILING

    execute(db, LONG_AGO, job_id)
    look(resubmits, db, job_id)
    assert told.woken[-1] == "image"
    assert resubmits.run_next("image")

    assert job_of(db, job_id).state is State.SUCCEEDED
    assert payee.submitted == [f"{job_id}.1", f"{job_id}.2"]
    assert outcomes(db, job_id) == [Outcome.NOT_SENT, Outcome.ACCEPTED]
    assert money(db) == (0, MICROS)


@pytest.mark.parametrize("error", CANT_TELL)
def test_a_look_up_that_can_not_tell_sends_nothing(
    resubmits: Pipeline, db: Database, payee: ScriptedPaid, error: Exception
) -> None:
    payee.can_look_up, payee.looking_up = True, failing(error)
    job_id = in_doubt(resubmits, db, payee)
    look(resubmits, db, job_id)
    assert 20_000 < waits_ms(db, job_id) <= 30_000

    execute(db, LONG_AGO, job_id)
    look(resubmits, db, job_id)
    assert failure_of(db, job_id).reason is Reason.SUBMIT_OUTCOME_UNKNOWN
    assert len(payee.submitted) == 1


def test_a_cancel_ends_it_also_when_it_was_asked_before(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    # Given a cancel while the provider is called
    def submit(job: object, read: object) -> None:
        transitions.cancel(db, "alice", job_id, "")
        raise OutcomeUnknown()

    payee.submitting = submit
    job_id = paid_image(db)
    pipeline.run_next("image")
    look(pipeline, db, job_id)

    job = job_of(db, job_id)
    assert (job.state, job.cost.state) == (State.CANCELLED, CostState.UNCERTAIN)


def test_an_administrator_s_word_lets_it_go_on(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    job_id = in_doubt(pipeline, db, payee)
    submits.resolve(db, job_id, charged=False)
    assert pipeline.run_next("image")
    assert job_of(db, job_id).state is State.SUCCEEDED
    assert len(payee.submitted) == 2


def test_a_job_in_doubt_whose_provider_is_not_configured_any_more_comes_to_an_end(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    job_id = in_doubt(pipeline, db, payee)
    without = replace(pipeline, providers={})
    look(without, db, job_id)
    assert job_of(db, job_id).state is State.RECONCILING
    execute(db, LONG_AGO, job_id)
    look(without, db, job_id)
    assert failure_of(db, job_id).reason is Reason.SUBMIT_OUTCOME_UNKNOWN


def test_looks_count_as_no_lost_run_and_outlast_the_attempts(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    # Given workers that died again and again while they looked
    payee.can_look_up, payee.looking_up = True, failing(SystemExit())
    job_id = in_doubt(pipeline, db, payee)
    for _ in range(pipeline.max_attempts + 1):
        with pytest.raises(SystemExit):
            look(pipeline, db, job_id)
        execute(db, RUN_OUT, job_id)

    # Then the operation is adopted all the same
    payee.looking_up = lambda key: "operation"
    look(pipeline, db, job_id)
    assert job_of(db, job_id).state is State.RUNNING


@pytest.mark.parametrize("cost", [CostState.RELEASED, CostState.CHARGED])
def test_an_operation_that_a_dead_process_left_is_stopped_if_its_job_has_ended(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, tmp_path: Path, cost: CostState
) -> None:
    job_id = in_doubt(pipeline, db, payee)
    transitions.cancel(db, "alice", job_id, "")
    payee.cancelling = lambda job: cost
    leave(tmp_path, Entry(job_id, 1, "operation", done=False))

    adopt_left(pipeline, tmp_path)

    assert payee.cancelled == [(job_id, "operation")]
    assert job_of(db, job_id).cost.state is cost


def test_an_operation_of_a_job_that_nobody_knows_holds_no_other_up(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, tmp_path: Path
) -> None:
    job_id = in_doubt(pipeline, db, payee)
    unknown = Entry("a-job-of-before-the-restore", 1, "operation 0", done=False)
    leave(tmp_path, unknown, Entry(job_id, 1, "operation 1", done=False))

    adopt_left(pipeline, tmp_path)

    assert job_of(db, job_id).provider_operation == "operation 1"
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["worker.jsonl"]


def leave(tmp_path: Path, *entries: Entry) -> None:
    """What a process that died had written."""
    dead = Journal(tmp_path / "journal", "dead")
    for entry in entries:
        dead.write(entry)
    dead.close()


def adopt_left(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.submitter.journal.adopt_left(pipeline.adopt)
