"""Paid submits on SQLite and on PostgreSQL: one intent at a time, whoever runs the job."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.errors import JobStateInvalid, LeaseLost, Reason
from core.jobs import CostState, EventType, Job, JobFailure, Outcome, State, Step
from core.store import Database, claims, events, jobs, polls, submits, transitions
from core.store.engine.sql import Statement
from tests.making import MICROS, begun, claimed, money, new_media, paid, started

RUN_OUT = Statement("UPDATE job SET lease_expire_time = 0 WHERE job_id = :job_id")
DUE = Statement("UPDATE job SET next_run_time = 0 WHERE job_id = :job_id")
OVERDUE = Statement("UPDATE job SET finish_deadline = 0 WHERE job_id = :job_id")
LONG_AGO = Statement("UPDATE job SET start_time = 0 WHERE job_id = :job_id")
NO = JobFailure(reason=Reason.PROVIDER_REJECTED, message="No.")


def job_of(db: Database, job_id: str) -> Job:
    return jobs.get(db, "alice", job_id)


def outcomes(db: Database, job_id: str) -> list[Outcome]:
    return [intent.outcome for intent in submits.of_job(db, job_id)]


def execute(db: Database, statement: Statement, job_id: str) -> None:
    db.write(lambda session: session.run(statement, job_id=job_id))


def gapless(db: Database) -> bool:
    """Whether every revision of alice has its event."""
    found = [event.revision for event in events.events_after(db, "alice", 0, 1000)]
    return found == list(range(1, events.revisions(db, ["alice"])["alice"] + 1))


def test_the_intent_and_the_start_are_one_change(db: Database) -> None:
    job_id = paid(db)
    claim = claimed(db)
    assert job_of(db, job_id).cancel_saves_cost

    made = submits.begin(db, claim.run, "w", 100)

    assert made is not None
    assert (made.number, made.event.type, made.event.revision) == (1, EventType.STARTED, 2)
    assert not made.event.job.cancel_saves_cost
    [intent] = submits.of_job(db, job_id)
    assert (intent.outcome, intent.operation, intent.worker_id) == (Outcome.OPEN, "", "w")
    assert (intent.micros, intent.provider, intent.key) == (MICROS, "paid", f"{job_id}.1")
    assert money(db) == (MICROS, 0)


def test_a_second_intent_is_refused_while_the_first_is_at_risk(db: Database) -> None:
    job_id = paid(db)
    run = begun(db).run
    with pytest.raises(LeaseLost):
        submits.begin(db, run, "w", 100)

    submits.accepted(db, job_id, 1, "operation")
    with pytest.raises(LeaseLost):
        submits.begin(db, claimed_poll(db).run, "w", 100)
    assert outcomes(db, job_id) == [Outcome.ACCEPTED]
    assert gapless(db)


def test_two_runs_that_begin_the_same_job_make_one_intent(db: Database) -> None:
    for _ in range(5):
        job_id = paid(db)
        old = claimed(db, lease_ms=-1).run
        new = claimed(db).run

        def begin(run: Any) -> bool:
            try:
                return submits.begin(db, run, "w", 100) is not None
            except LeaseLost:
                return False

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(begin, [old, new])) == [False, True]
        assert outcomes(db, job_id) == [Outcome.OPEN]
    assert gapless(db)


def test_a_user_who_runs_enough_writes_no_intent(db: Database) -> None:
    paid(db)
    job_id = paid(db)
    begun(db)
    assert submits.begin(db, claimed(db).run, "w", 1) is None
    assert (job_of(db, job_id).state, outcomes(db, job_id)) == (State.QUEUED, [])


def test_a_job_that_was_cancelled_after_its_first_try_is_not_sent_again(db: Database) -> None:
    job_id = paid(db)
    run = begun(db).run
    submits.refused(db, run, 1, Outcome.NOT_SENT)
    transitions.cancel(db, "alice", job_id, "")

    assert submits.begin(db, run, "w", 100) is None
    assert transitions.end_cancelled(db, run).job.cost.state is CostState.RELEASED
    assert money(db) == (0, 0)


@pytest.mark.parametrize("deadline", ["start_within_ms", "finish_within_ms"])
def test_a_job_whose_deadline_is_over_is_not_paid_for(db: Database, deadline: str) -> None:
    # Given a job that waited too long, and that no rescuer has come to yet
    job_id = paid(db, **{deadline: -1})

    made = submits.begin(db, claimed(db).run, "w", 100)

    assert made is not None
    assert (made.number, made.event.type) == (None, EventType.FAILED)
    assert made.event.job.failure is not None
    assert made.event.job.failure.reason.name.startswith(deadline[:5].upper())
    assert made.event.job.cost.state is CostState.RELEASED
    assert (outcomes(db, job_id), money(db)) == ([], (0, 0))


def test_nor_is_a_second_try_after_the_deadline(db: Database) -> None:
    job_id = paid(db)
    run = begun(db).run
    submits.refused(db, run, 1, Outcome.REJECTED)
    execute(db, OVERDUE, job_id)

    made = submits.begin(db, run, "w", 100)
    assert made is not None
    assert (made.number, outcomes(db, job_id)) == (None, [Outcome.REJECTED])
    assert money(db) == (0, 0)


def claimed_poll(db: Database) -> claims.Claim:
    [claim] = polls.claim_polls(db, ["video"], "poller", 60_000, 10)
    return claim


def test_an_accepted_operation_is_polled_next_and_by_anybody(db: Database) -> None:
    job_id = paid(db)
    begun(db)

    event = submits.accepted(db, job_id, 1, "operation", delay_ms=0)

    assert event is not None
    assert (event.type, event.job.provider_operation) == (EventType.UPDATED, "operation")
    [intent] = submits.of_job(db, job_id)
    assert (intent.outcome, intent.operation) == (Outcome.ACCEPTED, "operation")
    assert claims.claim(db, "video", "w", 1000, 100) is None
    claim = claimed_poll(db)
    assert (claim.run.job_id, claim.operation, claim.step) == (job_id, "operation", Step.POLL)
    assert (claim.job.attempt, claim.at_risk) == (1, True)


def test_the_operation_runs_since_its_submit_was_sent_not_since_the_job_started(
    db: Database,
) -> None:
    # Given a job that was refused for a while, or whose operation was found late
    job_id = paid(db)
    run = begun(db).run
    submits.refused(db, run, 1, Outcome.REJECTED)
    execute(db, LONG_AGO, job_id)
    submits.begin(db, run, "w", 100)
    submits.unknown(db, run)
    assert job_of(db, job_id).submit_time is None

    event = submits.accepted(db, job_id, 2, "operation")

    assert event is not None
    job = job_of(db, job_id)
    assert event.job.submit_time == job.submit_time == submits.of_job(db, job_id)[1].create_time
    assert job.run_since == job.submit_time
    assert job.start_time == 0


def test_one_that_is_done_at_once_stays_with_its_run(db: Database) -> None:
    job_id = paid(db)
    run = begun(db).run
    submits.accepted(db, job_id, 1, "operation", done=True)

    assert polls.claim_polls(db, ["video"], "poller", 1000, 10) == []
    event = transitions.succeed(db, run, new_media(job_id=job_id))
    assert (event.job.cost.state, event.job.cost.actual_micros) == (CostState.CHARGED, MICROS)
    assert money(db) == (0, MICROS)


def test_recording_the_operation_again_changes_nothing(db: Database) -> None:
    job_id = paid(db)
    begun(db)
    assert submits.accepted(db, job_id, 1, "operation") is not None
    assert submits.accepted(db, job_id, 1, "operation") is None
    assert job_of(db, job_id).revision == 3
    assert gapless(db)


def test_the_provider_s_figure_is_what_is_spent(db: Database) -> None:
    job_id = paid(db)
    begun(db)
    submits.accepted(db, job_id, 1, "operation")
    claim = claimed_poll(db)

    assert claims.fetch_next(db, claim.run, MICROS + 1)
    assert not claims.fetch_next(db, replaced(claim), MICROS)
    fetcher = claimed(db)
    assert fetcher.step is Step.FETCH
    assert fetcher.job.cost.actual_micros is None
    assert fetcher.charged_micros == MICROS + 1
    event = transitions.succeed(db, fetcher.run, new_media(job_id=job_id))

    assert event.job.cost.actual_micros == MICROS + 1
    assert money(db) == (0, MICROS + 1)


def replaced(claim: claims.Claim) -> claims.Run:
    """The claim's run as it was one claim before."""
    return claims.Run(claim.run.user_id, claim.run.job_id, claim.run.fence - 1)


def test_a_figure_that_came_with_the_answer_is_kept_for_the_end(db: Database) -> None:
    job_id = paid(db)
    run = begun(db).run
    submits.accepted(db, job_id, 1, "operation", done=True, charged_micros=3)
    assert job_of(db, job_id).cost.actual_micros is None

    event = transitions.succeed(db, run, new_media(job_id=job_id))
    assert (event.job.cost.state, event.job.cost.actual_micros) == (CostState.CHARGED, 3)
    assert money(db) == (0, 3)


def test_a_refusal_ends_the_job_free_of_charge(db: Database) -> None:
    job_id = paid(db)
    event = submits.refused(db, begun(db).run, 1, Outcome.REJECTED, NO)

    assert (event.type, event.job.failure) == (EventType.FAILED, NO)
    assert event.job.cost.state is CostState.RELEASED
    assert (outcomes(db, job_id), money(db)) == ([Outcome.REJECTED], (0, 0))


def test_what_was_not_sent_may_be_sent_again_as_number_two(db: Database) -> None:
    job_id = paid(db)
    run = begun(db).run
    event = submits.refused(db, run, 1, Outcome.NOT_SENT)
    assert (event.type, event.job.cancel_saves_cost) == (EventType.UPDATED, True)

    again = submits.begin(db, run, "w", 100)

    assert again is not None
    assert (again.number, again.event.type) == (2, EventType.UPDATED)
    assert outcomes(db, job_id) == [Outcome.NOT_SENT, Outcome.OPEN]
    assert money(db) == (MICROS, 0)


def test_an_intent_whose_commit_got_no_answer_is_retracted(db: Database) -> None:
    # Given one that was written after all, and one that was not
    job_id, other = paid(db), paid(db)
    run = begun(db).run
    event = submits.retract(db, run)
    assert event is not None
    assert (event.job.cancel_saves_cost, outcomes(db, job_id)) == (True, [Outcome.NOT_SENT])
    assert submits.retract(db, run) is None

    assert submits.retract(db, claimed(db).run) is None
    assert job_of(db, other).state is State.QUEUED


def test_only_its_own_run_may_retract_an_intent(db: Database) -> None:
    job_id = paid(db)
    old = begun(db, lease_ms=-1).run
    claimed(db)
    with pytest.raises(LeaseLost):
        submits.retract(db, old)
    assert outcomes(db, job_id) == [Outcome.OPEN]


def test_a_run_that_lost_its_job_records_nothing_that_is_not_certain(db: Database) -> None:
    # Given a frozen run, and another that owns the job now
    job_id = paid(db)
    old = begun(db, lease_ms=-1).run
    claimed(db)

    for write in (
        lambda: submits.refused(db, old, 1, Outcome.NOT_SENT),
        lambda: submits.refused(db, old, 1, Outcome.REJECTED, NO),
        lambda: submits.unknown(db, old),
        lambda: submits.send_again(db, old),
        lambda: submits.give_up(db, old),
        lambda: submits.begin(db, old, "w", 100),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert (outcomes(db, job_id), job_of(db, job_id).revision) == ([Outcome.OPEN], 2)


@pytest.mark.parametrize("done", [False, True])
def test_an_operation_is_recorded_also_by_a_run_that_lost_its_job(db: Database, done: bool) -> None:
    job_id = paid(db)
    begun(db, lease_ms=-1)
    new = claimed(db).run

    assert submits.accepted(db, job_id, 1, "operation", done=done) is not None

    # Then the run that took it for lost has nothing to say
    assert submits.unknown(db, new) is None
    assert job_of(db, job_id).state is State.RUNNING


def test_only_if_free_is_refused_exactly_while_a_submit_is_at_risk(db: Database) -> None:
    job_id = paid(db)
    run = begun(db).run
    with pytest.raises(JobStateInvalid) as caught:
        transitions.cancel(db, "alice", job_id, "", only_if_free=True)
    assert caught.value.metadata == {"state": "RUNNING"}

    submits.refused(db, run, 1, Outcome.NOT_SENT)
    job, event = transitions.cancel(db, "alice", job_id, "", only_if_free=True)
    assert event is not None
    assert job.cancel_request_time is not None
    # Asking again changes nothing, also when it may cost something by then.
    assert transitions.cancel(db, "alice", job_id, "", only_if_free=True) == (job, None)
    assert gapless(db)


def test_who_cancels_between_two_steps_does_not_wait_for_the_next(db: Database) -> None:
    job_id = paid(db)
    begun(db)
    submits.accepted(db, job_id, 1, "operation")
    claim = claimed_poll(db)
    transitions.cancel(db, "alice", job_id, "")

    # When the poll, which knows nothing of it, comes back
    claims.hand_back(db, claim.run, 600_000)

    left = polls.next_poll_ms(db, ["video"])
    assert left is not None
    assert left <= 1000


def test_a_cancel_and_an_operation_that_race_leave_both(db: Database) -> None:
    for _ in range(5):
        job_id = paid(db)
        begun(db)
        with ThreadPoolExecutor(2) as pool:
            cancel = pool.submit(transitions.cancel, db, "alice", job_id, "")
            record = pool.submit(submits.accepted, db, job_id, 1, "operation")
            assert cancel.result()[1] is not None
            assert record.result() is not None
        claim = claimed_poll(db)
        assert claim.job.cancel_request_time is not None
        assert claim.operation == "operation"
        transitions.end_cancelled(db, claim.run, CostState.RELEASED)
    assert (gapless(db), money(db)) == (True, (0, 0))


def test_a_deadline_that_comes_while_the_provider_works_leaves_the_cost_uncertain(
    db: Database,
) -> None:
    job_id = paid(db)
    begun(db)
    submits.accepted(db, job_id, 1, "operation")
    execute(db, OVERDUE, job_id)

    event = transitions.fail_overdue(db, "alice", job_id)
    assert event is not None
    assert event.job.failure is not None
    assert event.job.failure.reason is Reason.FINISH_DEADLINE_EXCEEDED
    assert event.job.cost.state is CostState.UNCERTAIN
    assert money(db) == (0, MICROS)

    # And what the provider says of it later corrects the books
    corrected = submits.resolve(db, job_id, charged=False)
    assert corrected is not None
    assert (corrected.type, corrected.job.state) == (EventType.UPDATED, State.FAILED)
    assert corrected.job.cost.state is CostState.RELEASED
    assert (money(db), gapless(db)) == ((0, 0), True)


def test_a_local_job_has_no_intent(db: Database) -> None:
    job_id = paid(db)
    transitions.succeed(db, started(db).run, new_media(job_id=job_id))
    assert outcomes(db, job_id) == []
