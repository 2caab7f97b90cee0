"""Circuits: who keeps failing is left alone, then tried with one submit, and then used again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.jobs import Outcome, Progress
from core.store import Database, circuits, claims, overview, polls, submits, transitions, workers
from core.store.engine.sql import Statement
from core.store.places import Queues
from tests.making import begun, claimed, paid

DUE = Statement("UPDATE job SET next_run_time = 0 WHERE job_id = :job_id")
# Its time is over.
OVER = Statement("UPDATE circuit SET open_until = 1")


def opened(db: Database, *, over: bool = True) -> None:
    """A circuit of "paid" after two failed submits, whose time is over."""
    circuits.failed(db, "paid", 2, 60_000)
    circuits.failed(db, "paid", 2, 60_000)
    if over:
        time_is_over(db)


def time_is_over(db: Database) -> None:
    db.write(lambda session: session.run(OVER))


def starts(db: Database) -> bool:
    """Whether a job could be claimed."""
    return claims.claimable(db, "video", 100, 10) > 0


def blocked_reason(db: Database, job_id: str) -> str:
    workers.beat(db, "worker", ["video"])
    place = Queues(db, 100).place(job_id)
    assert place is not None
    return place.blocked_reason


def test_when_its_time_is_over_one_submit_tries_it_and_all_others_wait(db: Database) -> None:
    # Given two runs that see the time over, and a job that waits
    for _ in range(2):
        paid(db)
    opened(db)
    first, second = claimed(db).run, claimed(db).run
    waiting = paid(db)
    assert starts(db)

    # When the first begins
    assert submits.begin(db, first, "w", 100) is not None

    # Then the second may not, nor does any other, however long that takes
    assert submits.begin(db, second, "w", 100) is None
    time_is_over(db)
    assert submits.begin(db, second, "w", 100) is None
    assert not starts(db)
    assert blocked_reason(db, waiting) == "the provider paid does not answer; a job tries it again"
    assert overview.look(db).open_circuits.keys() == {"paid"}


def test_a_try_that_fails_opens_it_again_and_one_that_is_answered_closes_it(db: Database) -> None:
    tried, next_one = paid(db), paid(db)
    opened(db)
    run = begun(db).run
    assert circuits.failed(db, "paid", 2, 60_000) > 0
    submits.unknown(db, run)

    # Then nothing is sent for its time, and after it one
    assert claimed(db).run.job_id == tried  # to be reconciled
    assert not starts(db)
    assert "it is tried again at" in blocked_reason(db, next_one)
    time_is_over(db)
    assert begun(db).run.job_id == next_one
    paid(db)
    assert not starts(db)

    # When that is accepted, all others go on
    submits.accepted(db, next_one, 1, "operation")
    assert starts(db)
    assert circuits.open_circuits(db) == {}


def test_of_many_who_would_try_it_at_once_one_does(db: Database) -> None:
    for round_number in range(3):
        runs = []
        for number in range(6):
            paid(db, f"user-{round_number}-{number}")
            runs.append(claimed(db).run)
        opened(db)
        with ThreadPoolExecutor(len(runs)) as pool:
            begun_at_once = list(pool.map(lambda run: submits.begin(db, run, "w", 100), runs))
        assert sum(made is not None for made in begun_at_once) == 1
        db.write(lambda session: circuits.answered(session, "paid"))


def test_a_try_whose_worker_died_makes_room_for_another(db: Database) -> None:
    for _ in range(2):
        paid(db)
    opened(db)
    run = begun(db).run
    claims.renew(db, run, -1, Progress())
    time_is_over(db)
    # The first is looked after, and the second may start.
    submits.unknown(db, claimed(db).run)
    assert claimed(db).run.job_id == run.job_id
    assert starts(db)


def test_an_answered_poll_takes_back_what_polls_have_failed_and_no_submit(db: Database) -> None:
    circuits.failed(db, "paid", 1, 60_000, polling=True)
    assert circuits.failing_polls(db) == {"paid"}
    circuits.polled(db, ["paid"])
    assert circuits.open_circuits(db) == {}

    # One that answers polls may fail at every submit
    circuits.failed(db, "paid", 3, 60_000)
    circuits.failed(db, "paid", 3, 60_000, polling=True)
    assert circuits.failing_polls(db) == set()
    circuits.polled(db, ["paid"])
    circuits.failed(db, "paid", 3, 60_000)
    assert circuits.open_circuits(db).keys() == {"paid"}


def test_a_pause_that_a_provider_asks_for_is_kept_by_all_and_then_forgotten(db: Database) -> None:
    # Given a provider that asked for a pause while another submit was under way
    other = paid(db)
    begun(db)
    circuits.rest(db, "paid", 60_000)
    circuits.rest(db, "paid", 10)
    waiting = paid(db)

    # Then nothing is sent to it, also when the other is accepted
    submits.accepted(db, other, 1, "operation")
    assert not starts(db)
    assert blocked_reason(db, waiting).startswith("the provider paid asked for a pause until")
    # And nobody calls it broken
    assert circuits.open_circuits(db) == {}
    assert overview.look(db).open_circuits == {}

    # After it all go on at once
    time_is_over(db)
    paid(db)
    assert begun(db) is not None
    assert begun(db) is not None


def test_an_answer_that_asks_for_a_pause_ends_a_row_of_failures(db: Database) -> None:
    circuits.failed(db, "paid", 2, 60_000)
    circuits.rest(db, "paid", 60_000)
    time_is_over(db)
    assert circuits.failed(db, "paid", 2, 60_000) == 0
    assert circuits.failed(db, "paid", 2, 60_000) > 0


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.NOT_SENT])
def test_only_an_answer_ends_a_row_of_failures(db: Database, outcome: Outcome) -> None:
    paid(db)
    run = begun(db).run
    opened(db, over=False)
    submits.refused(db, run, 1, outcome)
    assert bool(circuits.open_circuits(db)) == (outcome is Outcome.NOT_SENT)


def test_while_a_circuit_is_open_nothing_is_sent_and_all_else_goes_on(db: Database) -> None:
    # Given a provider that fails, a job that waits for its next try, and one that was accepted
    retried, polled = paid(db), paid(db)
    run = begun(db).run
    submits.refused(db, run, 1, Outcome.NOT_SENT)
    claims.hand_back(db, run, 600_000)
    begun(db)
    submits.accepted(db, polled, 1, "operation")
    waiting = paid(db)
    db.write(lambda session: session.run(DUE, job_id=retried))
    assert circuits.failed(db, "paid", 2, 60_000) == 0
    assert 0 < circuits.failed(db, "paid", 2, 60_000) <= 60_000

    # Then neither it nor a new one is claimed, but what was paid for is
    assert claims.claim(db, "video", "w", 60_000, 100) is None
    assert claims.claimable(db, "video", 100, 10) == 0
    [poll] = polls.claim_polls(db, ["video"], "w", 60_000, 10)
    assert poll.run.job_id == polled

    # And a cancel is
    transitions.cancel(db, "alice", retried, "")
    assert claimed(db).run.job_id == retried

    # When it closes, all go on
    db.write(lambda session: circuits.answered(session, "paid"))
    assert claimed(db).run.job_id == waiting


def test_an_accepted_submit_closes_the_circuit(db: Database) -> None:
    job_id = paid(db)
    begun(db)
    circuits.failed(db, "paid", 1, 60_000)
    assert circuits.open_circuits(db).keys() == {"paid"}
    submits.accepted(db, job_id, 1, "operation")
    assert circuits.open_circuits(db) == {}
