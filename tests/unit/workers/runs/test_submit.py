"""The one place where money is spent: four outcomes, and never a second call by mistake."""

from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.errors import DependencyUnavailable, Reason, StorageFull
from core.jobs import CostState, JobFailure, Outcome, Stage, State
from core.process import failpoints
from core.process.failpoints import FailpointHit
from core.store import Database, claims, submits, transitions
from core.store.engine.sql import Statement
from tests.making import MICROS, money
from tests.unit.workers.conftest import Told
from tests.unit.workers.running import (
    DUE,
    NEXT_RUN,
    RUN_OUT,
    execute,
    failing,
    failure_of,
    job_of,
    paid_image,
    types,
)
from tests.unit.workers.scripted import ScriptedPaid, steal
from workers.providers import OutcomeUnknown, ProviderFailed, Submitted, TryLater
from workers.runs.journal import Journal
from workers.runs.lease import LeaseKeeper
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_scratch_is_left", "no_failpoint_is_left")

AWAY = JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message="It is away.")
OVERDUE = Statement("UPDATE job SET finish_deadline = 0 WHERE job_id = :job_id")
# Every place of a paid run where its process may break.
PLACES = [
    "claim.after",
    "intent.before_commit",
    "intent.after_commit",
    "submit.before_send",
    "submit.after_answer",
    "journal.after_fsync",
    "adopt.before_commit",
    "operation.after_commit",
    "tell.before_publish",
    "tell.after_publish",
    "fetch.middle",
    "blob.after_put",
    "settle.before_commit",
    "settle.after_commit",
]


def outcomes(db: Database, job_id: str) -> list[Outcome]:
    return [intent.outcome for intent in submits.of_job(db, job_id)]


def waits_ms(db: Database, job_id: str) -> int:
    row = db.row(NEXT_RUN, job_id=job_id)
    assert row is not None
    return int(row[0])


def run_on(pipeline: Pipeline, db: Database, job_id: str, times: int = 5) -> None:
    """Runs the job as often as it can be, as if its leases and pauses were over each time."""
    for _ in range(times):
        execute(db, RUN_OUT, job_id)
        execute(db, DUE, job_id)
        with suppress(FailpointHit, SystemExit):
            pipeline.run_next("image")


def entries(journal: Journal, tmp_path: Path) -> bytes:
    return (tmp_path / "journal" / "worker.jsonl").read_bytes()


def test_an_operation_that_works_is_left_to_the_poller(
    pipeline: Pipeline,
    db: Database,
    payee: ScriptedPaid,
    told: Told,
    journal: Journal,
    tmp_path: Path,
) -> None:
    payee.done, payee.delay_ms = False, 60_000
    job_id = paid_image(db)
    assert pipeline.run_next("image")

    job = job_of(db, job_id)
    assert (job.state, job.provider_operation) == (State.RUNNING, "operation 1")
    assert (payee.submitted, payee.polled, payee.fetched) == ([f"{job_id}.1"], [], [])
    assert outcomes(db, job_id) == [Outcome.ACCEPTED]
    assert 0 < waits_ms(db, job_id) <= 60_000
    assert [event.revision for event in told.events] == [2, 3]
    assert entries(journal, tmp_path) == b""
    assert not pipeline.run_next("image")


def test_one_that_is_done_at_once_is_fetched_by_the_same_run(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    job_id = paid_image(db, output_count=2)
    pipeline.run_next("image")

    job = job_of(db, job_id)
    assert (job.state, job.cost.state, job.attempt) == (State.SUCCEEDED, CostState.CHARGED, 1)
    assert types(db, job_id) == ["QUEUED", "STARTED", "UPDATED", "UPDATED", "SUCCEEDED"]
    assert payee.fetched == [("operation 1", 0), ("operation 1", 1)]
    assert money(db) == (0, MICROS)


def test_the_figure_that_came_with_the_answer_is_what_is_charged(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = payee.submit
    answer = Submitted("operation", done=True, charged_micros=MICROS + 7)
    monkeypatch.setattr(payee, "submit", lambda *sent: submit(*sent) and answer)
    job_id = paid_image(db, output_count=2)
    pipeline.run_next("image")

    job = job_of(db, job_id)
    assert job.cost.actual_micros == MICROS + 7
    assert money(db) == (0, MICROS + 7)
    # And each output has its share of it
    assert [output.cost_micros for output in job.outputs] == [(MICROS + 7) // 2] * 2


def test_a_refusal_ends_the_job_free_of_charge(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    no = JobFailure(reason=Reason.CONTENT_FILTERED, message="No.", metadata={"phase": "prompt"})
    payee.submitting = failing(ProviderFailed(no))
    job_id = paid_image(db)
    run_on(pipeline, db, job_id)

    assert failure_of(db, job_id) == no
    assert job_of(db, job_id).cost.state is CostState.RELEASED
    assert (len(payee.submitted), outcomes(db, job_id)) == (1, [Outcome.REJECTED])


@pytest.mark.parametrize("sent", [False, True])
def test_what_was_not_accepted_is_sent_again_later(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, sent: bool
) -> None:
    payee.submitting = failing(TryLater(AWAY, sent=sent))
    job_id = paid_image(db)
    pipeline.run_next("image")
    assert job_of(db, job_id).cancel_saves_cost
    assert not pipeline.run_next("image")

    # When its time has come, and the provider is back
    payee.submitting = lambda job, read: None
    execute(db, DUE, job_id)
    pipeline.run_next("image")

    assert job_of(db, job_id).state is State.SUCCEEDED
    assert payee.submitted == [f"{job_id}.1", f"{job_id}.2"]
    first = Outcome.REJECTED if sent else Outcome.NOT_SENT
    assert outcomes(db, job_id) == [first, Outcome.ACCEPTED]
    assert money(db) == (0, MICROS)


NEWS = [OutcomeUnknown(), OutcomeUnknown(late=Future()), TimeoutError(), ZeroDivisionError()]
NEWS += [StorageFull(), SystemExit()]


@pytest.mark.parametrize("error", NEWS)
def test_a_submit_whose_outcome_somebody_may_still_tell_waits_and_is_never_sent_again(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, error: BaseException
) -> None:
    payee.submitting = failing(error)
    job_id = paid_image(db)
    run_on(pipeline, db, job_id)

    job = job_of(db, job_id)
    assert (job.state, job.cost.state) == (State.RECONCILING, CostState.UNCERTAIN)
    assert job.progress.stage is Stage.RECONCILING
    assert (len(payee.submitted), outcomes(db, job_id)) == (1, [Outcome.UNKNOWN])


def test_a_submit_whose_outcome_nobody_can_learn_ends_the_job_at_once(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, told: Told
) -> None:
    payee.submitting = failing(OutcomeUnknown("a complete 500", lost=True))
    job_id = paid_image(db)
    pipeline.run_next("image")

    # Then the job has ended, and its trail says why
    failure = failure_of(db, job_id)
    assert failure.reason is Reason.SUBMIT_OUTCOME_UNKNOWN
    assert "submit_time" in failure.metadata
    assert types(db, job_id) == ["QUEUED", "STARTED", "FAILED"]
    assert told.events[-1].job == job_of(db, job_id)
    # And it counts as spent, until an administrator settles it
    assert (job_of(db, job_id).cost.state, money(db)) == (CostState.UNCERTAIN, (0, MICROS))
    assert (len(payee.submitted), outcomes(db, job_id)) == (1, [Outcome.UNKNOWN])
    assert submits.resolve(db, job_id, charged=False) is not None
    assert (job_of(db, job_id).cost.state, money(db)) == (CostState.RELEASED, (0, 0))


def test_a_cancel_during_a_submit_whose_outcome_nobody_can_learn_cancels_the_job(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    def submit(job: object, read: object) -> None:
        transitions.cancel(db, "alice", job_id, "")
        raise OutcomeUnknown(lost=True)

    payee.submitting = submit
    job_id = paid_image(db)
    pipeline.run_next("image")

    job = job_of(db, job_id)
    assert (job.state, job.cost.state) == (State.CANCELLED, CostState.UNCERTAIN)


def test_a_run_that_lost_its_job_still_says_that_nobody_can_learn_the_outcome(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    # Given a run that was frozen in the call, so that the job waits for its news
    def submit(job: Any, read: Any) -> None:
        execute(db, RUN_OUT, job.job_id)
        claim = claims.claim(db, "image", "other", 60_000, 4)
        assert claim is not None
        submits.unknown(db, claim.run)
        raise OutcomeUnknown(lost=True)

    payee.submitting = submit
    job_id = paid_image(db)
    pipeline.run_next("image")

    assert failure_of(db, job_id).reason is Reason.SUBMIT_OUTCOME_UNKNOWN
    assert types(db, job_id) == ["QUEUED", "STARTED", "RECONCILING", "FAILED"]
    assert money(db) == (0, MICROS)


def test_without_the_database_the_run_remembers_that_nobody_can_learn_the_outcome(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.runs.submit.RECORD_PAUSE_SECONDS", 0.001)
    tries: list[str] = []
    real = submits.lose

    def flaky(*values: Any) -> Any:
        tries.append("tried")
        if len(tries) < 4:
            raise DependencyUnavailable("database")
        return real(*values)

    monkeypatch.setattr(submits, "lose", flaky)
    payee.submitting = failing(OutcomeUnknown(lost=True))
    job_id = paid_image(db)
    pipeline.run_next("image")

    assert failure_of(db, job_id).reason is Reason.SUBMIT_OUTCOME_UNKNOWN


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("place", PLACES)
def test_wherever_a_run_breaks_the_provider_is_called_at_most_once(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, place: str
) -> None:
    for times in ("*1", ""):
        payee.submitted.clear()
        spent = money(db)[1]
        job_id = paid_image(db)

        # Given runs that break there, once or each time, and then no more
        failpoints.arm(f"{place}=exception{times}")
        run_on(pipeline, db, job_id, times=2)
        failpoints.arm("")
        run_on(pipeline, db, job_id, times=3)

        # Then it was paid at most once, and the books say so
        assert len(payee.submitted) <= 1
        job = job_of(db, job_id)
        if job.state is State.SUCCEEDED:
            assert money(db) == (0, spent + MICROS)
        elif job.state is State.FAILED:
            assert failure_of(db, job_id).reason in (Reason.INTERNAL_ERROR, Reason.WORKER_LOST)
            assert money(db)[0] == 0
        else:
            assert job.state is State.RECONCILING
            transitions.cancel(db, "alice", job_id, "")


@pytest.mark.parametrize("error", [DependencyUnavailable("database"), StorageFull()])
def test_an_operation_is_recorded_once_the_database_is_back(
    pipeline: Pipeline,
    db: Database,
    payee: ScriptedPaid,
    journal: Journal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    monkeypatch.setattr("workers.runs.submit.RECORD_PAUSE_SECONDS", 0.001)
    kept: list[bytes] = []
    real = submits.accepted

    def flaky(*values: Any, **options: Any) -> Any:
        kept.append(entries(journal, tmp_path))
        if len(kept) < 4:
            raise error
        return real(*values, **options)

    monkeypatch.setattr(submits, "accepted", flaky)
    job_id = paid_image(db)
    pipeline.run_next("image")

    assert job_of(db, job_id).state is State.SUCCEEDED
    assert all(b"operation 1" in line for line in kept)
    assert (len(payee.submitted), entries(journal, tmp_path)) == (1, b"")


def test_what_a_process_could_not_record_another_adopts(
    pipeline: Pipeline,
    db: Database,
    payee: ScriptedPaid,
    journal: Journal,
    closing: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a worker that ends while the database is away
    payee.done = False
    job_id = paid_image(db)
    closing.set()
    with monkeypatch.context() as patch:
        patch.setattr(submits, "accepted", failing(DependencyUnavailable("database")))
        pipeline.run_next("image")
    journal.close()

    # When the next one looks, also after the job was found in doubt
    execute(db, RUN_OUT, job_id)
    pipeline.run_next("image")
    assert job_of(db, job_id).state is State.RECONCILING
    other = Journal(tmp_path / "journal", "other")
    other.adopt_left(pipeline.adopt)
    other.close()

    job = job_of(db, job_id)
    assert (job.state, job.provider_operation) == (State.RUNNING, "operation 1")
    assert len(payee.submitted) == 1
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_journal_that_can_not_be_written_costs_nothing_while_the_database_is_there(
    pipeline: Pipeline, db: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "write", failing(OSError(28, "No space left on device")))
    job_id = paid_image(db)
    pipeline.run_next("image")
    assert job_of(db, job_id).state is State.SUCCEEDED


@pytest.mark.parametrize("in_doubt", [False, True])
@pytest.mark.parametrize("refusal", [TryLater(AWAY), ProviderFailed(AWAY)])
def test_a_run_that_lost_its_job_still_says_that_it_sent_nothing(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, refusal: Exception, in_doubt: bool
) -> None:
    # Given a run that was frozen in the call, so that another took its job
    def submit(job: Any, read: Any) -> None:
        steal(db, job.job_id)
        if in_doubt:
            execute(db, RUN_OUT, job.job_id)
            claim = claims.claim(db, "image", "other", 60_000, 4)
            assert claim is not None
            submits.unknown(db, claim.run)
        raise refusal

    payee.submitting = submit
    job_id = paid_image(db)
    pipeline.run_next("image")
    assert job_of(db, job_id).cancel_saves_cost

    # Then it is sent again by whoever claims it next
    payee.submitting = lambda job, read: None
    run_on(pipeline, db, job_id, times=2)
    assert job_of(db, job_id).state is State.SUCCEEDED
    assert len(payee.submitted) == 2


@pytest.mark.parametrize("end", ["overdue", "cancelled"])
@pytest.mark.parametrize("cost", [CostState.RELEASED, CostState.CHARGED, CostState.UNCERTAIN])
def test_an_operation_whose_job_ended_meanwhile_is_stopped_and_its_cost_corrected(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, end: str, cost: CostState
) -> None:
    def submit(job: Any, read: Any) -> None:
        execute(db, OVERDUE if end == "overdue" else RUN_OUT, job.job_id)
        if end == "overdue":
            transitions.fail_overdue(db, "alice", job.job_id)
        else:
            claim = claims.claim(db, "image", "other", 60_000, 4)
            assert claim is not None
            submits.unknown(db, claim.run)
            transitions.cancel(db, "alice", job.job_id, "")

    payee.submitting, payee.cancelling = submit, lambda job: cost
    job_id = paid_image(db)
    pipeline.run_next("image")

    job = job_of(db, job_id)
    assert (job.state.terminal, job.cost.state) == (True, cost)
    assert payee.cancelled == [(job_id, "operation 1")]
    assert money(db) == (0, 0 if cost is CostState.RELEASED else MICROS)


def test_a_run_that_was_held_up_after_the_intent_does_not_call(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = paid_image(db)
    with monkeypatch.context() as patch:
        patch.setattr("workers.runs.submit.GUARD_SECONDS", -1.0)
        pipeline.run_next("image")
    assert (payee.submitted, outcomes(db, job_id)) == ([], [Outcome.NOT_SENT])

    # Then the next run does, but not at once: the database may be slow
    assert not pipeline.run_next("image")
    execute(db, DUE, job_id)
    assert pipeline.run_next("image")
    assert payee.submitted == [f"{job_id}.2"]


def test_a_worker_that_shall_end_does_not_call(
    pipeline: Pipeline,
    db: Database,
    payee: ScriptedPaid,
    keeper: LeaseKeeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = submits.begin

    def begin(*values: Any) -> Any:
        keeper.stop()
        return real(*values)

    monkeypatch.setattr(submits, "begin", begin)
    job_id = paid_image(db)
    pipeline.run_next("image")

    assert (payee.submitted, outcomes(db, job_id)) == ([], [Outcome.NOT_SENT])
    assert (job_of(db, job_id).state, waits_ms(db, job_id) <= 0) == (State.RUNNING, True)


@pytest.mark.parametrize("written", [True, False])
def test_an_intent_of_which_no_answer_came_is_taken_back(
    pipeline: Pipeline,
    db: Database,
    payee: ScriptedPaid,
    monkeypatch: pytest.MonkeyPatch,
    written: bool,
) -> None:
    # Given a database that goes away while the intent is committed
    real = submits.begin

    def begin(*values: Any) -> Any:
        if written:
            real(*values)
        raise DependencyUnavailable("database")

    job_id = paid_image(db)
    with monkeypatch.context() as patch:
        patch.setattr(submits, "begin", begin)
        pipeline.run_next("image")

    # Then nobody takes the job for sent
    run_on(pipeline, db, job_id, times=1)
    assert job_of(db, job_id).state is State.SUCCEEDED
    assert payee.submitted == [f"{job_id}.{2 if written else 1}"]
