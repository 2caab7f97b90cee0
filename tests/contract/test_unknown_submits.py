"""Submits of which nobody knows what came: never sent again by themselves, and always settled."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import JobStateInvalid, LeaseLost, NotFound, Reason
from core.events import Event
from core.jobs import CostState, EventType, Outcome, State, Step
from core.store import Database, circuits, claims, jobs, polls, retention, submits, transitions
from core.store.change import Run
from tests.contract.job_model import UNSETTLED
from tests.contract.test_submits import OVERDUE as MAKE_OVERDUE
from tests.contract.test_submits import claimed_poll, execute, gapless, job_of, outcomes
from tests.making import MICROS, begun, claimed, money, new_media, paid


def reconciling(db: Database) -> tuple[str, Run]:
    """A job with a submit of unknown outcome, and the run that looks after it."""
    job_id = paid(db)
    assert submits.unknown(db, begun(db).run) is not None
    return job_id, claimed(db).run


def given_up(db: Database) -> str:
    job_id, run = reconciling(db)
    submits.give_up(db, run)
    return job_id


def cancelled(db: Database) -> str:
    job_id, _ = reconciling(db)
    transitions.cancel(db, "alice", job_id, "")
    return job_id


def overdue(db: Database) -> str:
    job_id, _ = reconciling(db)
    execute(db, MAKE_OVERDUE, job_id)
    assert transitions.fail_overdue(db, "alice", job_id) is not None
    return job_id


def overdue_open(db: Database) -> str:
    """Its run is still in the call when the deadline comes."""
    job_id = paid(db)
    begun(db)
    execute(db, MAKE_OVERDUE, job_id)
    assert transitions.fail_overdue(db, "alice", job_id) is not None
    return job_id


def lost(db: Database) -> str:
    """Its run knows that nobody can ever learn what came of the submit."""
    job_id = paid(db)
    begun(db)
    assert submits.lose(db, job_id, 1) is not None
    return job_id


ENDS = [given_up, cancelled, overdue, overdue_open, lost]
End = Callable[[Database], str]


def test_a_submit_that_may_have_been_sent_makes_the_job_wait_for_news(db: Database) -> None:
    job_id = paid(db)
    event = submits.unknown(db, begun(db).run)

    assert event is not None
    assert (event.type, event.job.state) == (EventType.RECONCILING, State.RECONCILING)
    assert event.job.cost.state is CostState.UNCERTAIN
    assert (outcomes(db, job_id), money(db)) == ([Outcome.UNKNOWN], (MICROS, 0))
    # It is claimed at once, and counts no attempt.
    claim = claimed(db)
    assert (claim.run.job_id, claim.step, claim.at_risk) == (job_id, Step.SUBMIT, True)
    assert claim.job.attempt == 1
    assert submits.unknown(db, claim.run) is None


@pytest.mark.parametrize("waits", [False, True])
def test_a_submit_whose_outcome_nobody_can_learn_ends_its_job_whoever_owns_it(
    db: Database, waits: bool
) -> None:
    job_id = paid(db)
    run = begun(db).run
    if waits:
        submits.unknown(db, run)
        claimed(db)
    event = submits.lose(db, job_id, 1)

    assert event is not None
    assert (event.type, event.job.cost.state) == (EventType.FAILED, CostState.UNCERTAIN)
    assert event.job.failure is not None
    assert event.job.failure.reason is Reason.SUBMIT_OUTCOME_UNKNOWN
    assert (outcomes(db, job_id), money(db)) == ([Outcome.UNKNOWN], (0, MICROS))
    assert submits.lose(db, job_id, 1) is None
    assert gapless(db)


def test_a_submit_whose_outcome_is_known_is_not_lost(db: Database) -> None:
    job_id = paid(db)
    begun(db)
    submits.accepted(db, job_id, 1, "operation")
    assert submits.lose(db, job_id, 1) is None
    assert submits.lose(db, job_id, 2) is None
    assert job_of(db, job_id).state is State.RUNNING
    with pytest.raises(NotFound):
        submits.lose(db, "nobody's", 1)


def test_a_job_that_waits_for_news_leaves_its_user_room(db: Database) -> None:
    reconciling(db)
    job_id = paid(db)
    assert claims.claimable(db, "video", 1, 10) == 1
    claim = claims.claim(db, "video", "w", 1000, 1)
    assert claim is not None
    assert claim.run.job_id == job_id


def test_it_is_looked_after_again_and_again(db: Database) -> None:
    _, run = reconciling(db)
    claims.hand_back(db, run, 600_000)
    assert claims.claim(db, "video", "w", 1000, 100) is None
    _, lost = reconciling(db)
    claims.renew(db, lost, -1, job_of(db, lost.job_id).progress)
    assert claimed(db).run.job_id == lost.job_id


def test_an_operation_that_is_found_lets_the_job_go_on(db: Database) -> None:
    job_id, run = reconciling(db)

    event = submits.accepted(db, job_id, 1, "operation")

    assert event is not None
    assert (event.type, event.job.state) == (EventType.STARTED, State.RUNNING)
    assert event.job.cost.state is CostState.RESERVED
    assert claimed_poll(db).operation == "operation"
    # And who looked after it has nothing more to say.
    with pytest.raises(LeaseLost):
        submits.give_up(db, run)
    assert gapless(db)


def test_who_looked_after_it_meanwhile_does_not_hold_it_up(db: Database) -> None:
    # Given a look-up that found nothing, just before the operation is learned of
    job_id, run = reconciling(db)
    submits.accepted(db, job_id, 1, "operation")

    # When its run goes on as if nothing had happened
    assert not claims.hand_back(db, run, 600_000)
    assert not claims.renew(db, run, 60_000, job_of(db, job_id).progress)

    # Then the operation is polled now, and nobody was lost
    assert claimed_poll(db).job.attempt == 1


def test_one_that_was_done_at_once_is_fetched(db: Database) -> None:
    job_id, _ = reconciling(db)
    submits.accepted(db, job_id, 1, "operation", done=True)
    claim = claimed(db)
    assert (claim.step, claim.operation, claim.job.attempt) == (Step.FETCH, "operation", 1)


def test_a_look_up_that_found_nothing_lets_it_be_sent_again(db: Database) -> None:
    job_id, run = reconciling(db)
    event = submits.send_again(db, run)
    assert event is not None
    assert (event.type, event.job.cancel_saves_cost) == (EventType.STARTED, True)

    again = submits.begin(db, claimed(db).run, "w", 100)
    assert again is not None
    assert (again.number, outcomes(db, job_id)) == (2, [Outcome.NOT_SENT, Outcome.OPEN])


def test_sending_again_needs_a_job_that_waits_for_news(db: Database) -> None:
    paid(db)
    assert submits.send_again(db, begun(db).run) is None


def test_the_run_that_knows_that_it_sent_nothing_may_always_say_so(db: Database) -> None:
    job_id, _ = reconciling(db)
    event = submits.was_free(db, job_id, 1, Outcome.REJECTED)
    assert event is not None
    assert (event.type, outcomes(db, job_id)) == (EventType.STARTED, [Outcome.REJECTED])
    assert submits.was_free(db, job_id, 1, Outcome.REJECTED) is None

    # Also before anybody thought otherwise
    other = paid(db)
    submits.begin(db, claimed(db).run, "w", 100)
    begun(db, lease_ms=-1)
    claimed(db)
    event = submits.was_free(db, other, 1, Outcome.NOT_SENT)
    assert event is not None
    assert (event.type, event.job.cancel_saves_cost) == (EventType.UPDATED, True)
    assert gapless(db)


@pytest.mark.parametrize("end", ENDS)
def test_and_also_after_the_end_of_the_job(db: Database, end: End) -> None:
    job_id = end(db)
    state = job_of(db, job_id).state
    assert money(db) == (0, MICROS)

    event = submits.was_free(db, job_id, 1, Outcome.NOT_SENT)

    assert event is not None
    assert (event.type, event.job.state) == (EventType.UPDATED, state)
    assert event.job.cost.state is CostState.RELEASED
    assert (outcomes(db, job_id), money(db)) == ([Outcome.NOT_SENT], (0, 0))


def test_giving_up_says_when_it_was_sent_and_counts_it_as_spent(db: Database) -> None:
    job_id, run = reconciling(db)
    event = submits.give_up(db, run)

    failure = event.job.failure
    assert failure is not None
    assert failure.reason is Reason.SUBMIT_OUTCOME_UNKNOWN
    assert failure.metadata.keys() == {"submit_time"}
    assert event.job.cost.state is CostState.UNCERTAIN
    assert (outcomes(db, job_id), money(db)) == ([Outcome.UNKNOWN], (0, MICROS))
    with pytest.raises(LeaseLost):
        submits.give_up(db, run)


def test_a_job_that_runs_is_not_given_up(db: Database) -> None:
    paid(db)
    with pytest.raises(LeaseLost):
        submits.give_up(db, begun(db).run)


@pytest.mark.parametrize("end", ENDS)
def test_an_operation_that_turns_up_after_the_end_changes_the_books_only(
    db: Database, end: End
) -> None:
    job_id = end(db)
    before = job_of(db, job_id)
    assert before.cost.state is CostState.UNCERTAIN

    assert submits.accepted(db, job_id, 1, "late") is None

    assert job_of(db, job_id) == before
    [intent] = submits.of_job(db, job_id)
    assert (intent.outcome, intent.operation) == (Outcome.ACCEPTED, "late")
    # It had been counted as spent already, and it is listed until it is settled.
    assert (money(db), gapless(db)) == ((0, MICROS), True)
    assert [found.intent for found in submits.unsettled(db)] == [intent]
    assert submits.accepted(db, job_id, 1, "late") is None
    assert money(db) == (0, MICROS)


def test_one_that_was_believed_free_costs_on_top(db: Database) -> None:
    # Given a job that was sent again, and an answer to the first
    job_id, run = reconciling(db)
    submits.send_again(db, run)
    again = claimed(db).run
    submits.begin(db, again, "w", 100)

    assert submits.accepted(db, job_id, 1, "late") is None
    assert submits.accepted(db, job_id, 1, "late") is None

    assert outcomes(db, job_id) == [Outcome.ACCEPTED, Outcome.OPEN]
    assert money(db) == (MICROS, MICROS)

    # Then the second is recorded as its own
    submits.accepted(db, job_id, 2, "operation", done=True)
    transitions.succeed(db, again, new_media(job_id=job_id))
    assert (money(db), gapless(db)) == ((0, 2 * MICROS), True)


def test_an_administrator_who_says_free_and_an_answer_that_race_lose_no_money(
    db: Database,
) -> None:
    for number in range(1, 6):
        job_id = given_up(db)
        with ThreadPoolExecutor(2) as pool:
            free = pool.submit(submits.resolve, db, job_id, charged=False)
            late = pool.submit(submits.accepted, db, job_id, 1, "late")
            assert (free.result() is not None, late.result()) == (True, None)

        [intent] = submits.of_job(db, job_id)
        assert (intent.outcome, intent.operation) in {
            (Outcome.ACCEPTED, "late"),
            (Outcome.REJECTED, ""),
        }
        assert intent.operation == "late", number


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("charged", [True, False])
def test_an_administrator_settles_what_is_uncertain_once(
    db: Database, end: End, charged: bool
) -> None:
    job_id = end(db)
    state = job_of(db, job_id).state

    event = submits.resolve(db, job_id, charged=charged)

    assert event is not None
    assert (event.type, event.job.state) == (EventType.UPDATED, state)
    cost = event.job.cost
    expected = (CostState.CHARGED, MICROS) if charged else (CostState.RELEASED, None)
    assert (cost.state, cost.actual_micros) == expected
    assert money(db) == (0, MICROS if charged else 0)
    assert outcomes(db, job_id) == [Outcome.ACCEPTED if charged else Outcome.REJECTED]
    assert (submits.resolve(db, job_id, charged=not charged), gapless(db)) == (None, True)
    assert submits.unsettled(db) == []


def test_one_that_waits_for_news_and_was_free_is_sent_again(db: Database) -> None:
    job_id, run = reconciling(db)
    assert [(f.intent.job_id, f.state) for f in submits.unsettled(db)] == [
        (job_id, State.RECONCILING)
    ]
    event = submits.resolve(db, job_id, charged=False)
    assert event is not None
    assert event.type is EventType.STARTED
    assert outcomes(db, job_id) == [Outcome.NOT_SENT]
    assert claimed(db).run.fence == run.fence + 1
    assert submits.unsettled(db) == []


def test_one_that_waits_for_news_and_was_charged_fails(db: Database) -> None:
    job_id, _ = reconciling(db)
    event = submits.resolve(db, job_id, charged=True)
    assert event is not None
    assert (event.type, event.job.cost.state) == (EventType.FAILED, CostState.CHARGED)
    assert (outcomes(db, job_id), money(db)) == ([Outcome.ACCEPTED], (0, MICROS))


def test_there_is_nothing_to_say_of_a_job_whose_cost_is_certain(db: Database) -> None:
    job_id = paid(db)
    assert submits.resolve(db, job_id, charged=True) is None
    begun(db)
    assert submits.resolve(db, job_id, charged=False) is None
    with pytest.raises(NotFound):
        submits.resolve(db, "nobody's", charged=False)
    assert gapless(db)


@pytest.mark.parametrize("race", ["accepted", "give_up", "lose"])
def test_a_cancel_of_a_job_that_waits_for_news_leaves_one_end(db: Database, race: str) -> None:
    for _ in range(5):
        job_id, run = reconciling(db)
        other: dict[str, Callable[[], Event | None]] = {
            "accepted": lambda job_id=job_id: submits.accepted(db, job_id, 1, "late"),  # type: ignore[misc]
            "give_up": lambda run=run: submits.give_up(db, run),  # type: ignore[misc]
            "lose": lambda job_id=job_id: submits.lose(db, job_id, 1),  # type: ignore[misc]
        }
        with ThreadPoolExecutor(2) as pool:
            cancel = pool.submit(transitions.cancel, db, "alice", job_id, "")
            raced = pool.submit(other[race])
            cancel.result()
            if (error := raced.exception()) is not None:
                assert isinstance(error, LeaseLost)
        job = job_of(db, job_id)
        if job.state is State.RUNNING:
            # The operation came first, so its poller will see the cancel.
            assert job.cancel_request_time is not None
            claim = claimed_poll(db)
            transitions.end_cancelled(db, claim.run, CostState.CHARGED)
        else:
            assert job.state in (State.CANCELLED, State.FAILED)
    assert (money(db), gapless(db)) == ((0, 5 * MICROS), True)


def test_only_if_free_is_refused_for_a_job_that_waits_for_news(db: Database) -> None:
    job_id, _ = reconciling(db)
    with pytest.raises(JobStateInvalid):
        transitions.cancel(db, "alice", job_id, "", only_if_free=True)
    job, _ = transitions.cancel(db, "alice", job_id, "enough")
    assert (job.state, job.cost.state) == (State.CANCELLED, CostState.UNCERTAIN)


def test_an_operation_of_a_job_that_was_forgotten_is_nobody_s(db: Database) -> None:
    job_id = given_up(db)
    submits.resolve(db, job_id, charged=False)
    retention.forget(db, -1000)
    assert submits.of_job(db, job_id) == []
    with pytest.raises(NotFound):
        submits.accepted(db, job_id, 1, "late")
    with pytest.raises(NotFound):
        jobs.get(db, "alice", job_id)


def test_all_who_change_jobs_at_once_lose_no_revision_and_no_money(db: Database) -> None:
    # Given workers, pollers, callers, administrators and rescuers who know of each other nothing
    numbers = range(40)

    def work(number: int) -> None:
        job_id = paid(db)
        for change in (
            lambda: submits.begin(db, claimed(db, lease_ms=-1).run, "w", 100),
            lambda: submits.unknown(db, claimed(db).run),
            lambda: submits.accepted(db, job_id, 1, "operation", done=number % 3 == 0),
            lambda: transitions.cancel(db, "alice", job_id, "") if number % 4 == 0 else None,
            lambda: submits.was_free(db, job_id, 1, Outcome.NOT_SENT),
            lambda: circuits.failed(db, "paid", 1000, 1),
            lambda: [
                claims.fetch_next(db, claim.run, MICROS)
                for claim in polls.claim_polls(db, ["video"], "p", 60_000, 3)
            ],
            lambda: execute(db, MAKE_OVERDUE, job_id) if number % 2 == 0 else None,
            lambda: transitions.fail_overdue(db, "alice", job_id),
            lambda: submits.resolve(db, job_id, charged=number % 8 < 4),
        ):
            # What comes too late is refused; nothing hangs, and nothing is half done.
            with contextlib.suppress(LeaseLost, JobStateInvalid, AssertionError):
                change()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, numbers))

    found = jobs.list_page(db, "alice", limit=100)[0]
    assert (len(found), gapless(db)) == (len(numbers), True)
    assert money(db)[0] == sum(not job.state.terminal for job in found) * MICROS
    booked = (CostState.CHARGED, CostState.UNCERTAIN)
    on_top = sum(
        intent.outcome is Outcome.ACCEPTED
        for job in found
        for intent in submits.of_job(db, job.job_id)
        if job.cost.state not in booked and job.state.terminal
    )
    ended = sum(job.cost.state in booked and job.state.terminal for job in found)
    assert ended * MICROS <= money(db)[1] <= (ended + on_top) * MICROS
    for job in found:
        unsettled = [i for i in submits.of_job(db, job.job_id) if i.outcome in UNSETTLED]
        assert len(unsettled) <= 1
        assert not (unsettled and job.cancel_saves_cost)
