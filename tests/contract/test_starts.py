"""A job that has no submit starts with its claim, in one transaction."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.events import Event
from core.jobs import EventType, State
from core.store import Database, claims, events, jobs, starts
from core.store.change import bump
from core.store.engine.session import Session
from core.store.engine.sql import Dialect, Statement
from tests.making import accepted, claimed, paid

LOCAL = ["builtin"]
TOO_LATE = Statement("UPDATE job SET start_deadline = 1")
RUNNING = Statement("SELECT count(*) FROM job WHERE state = 'RUNNING'")


def claim(db: Database, cap: int = 100) -> claims.Claim | None:
    return starts.claim_and_start(db, "video", "worker", 60_000, cap, LOCAL)


def started(found: claims.Claim | None) -> Event:
    assert found is not None
    assert found.event is not None
    return found.event


def test_a_local_job_runs_as_soon_as_it_is_claimed(db: Database) -> None:
    job_id = accepted(db).job.job_id

    found = claim(db)

    event = started(found)
    assert (event.type, event.revision, event.job.attempt) == (EventType.STARTED, 2, 1)
    assert found is not None
    assert found.job == event.job == jobs.get(db, "alice", job_id)
    assert found.run.fence == 1
    told = events.events_after(db, "alice", 1, 10)
    assert [stored.payload for stored in told] == [event.payload]
    assert claims.renew(db, found.run, 60_000, found.job.progress)


def test_a_claim_alone_starts_nothing(db: Database) -> None:
    accepted(db)

    found = claimed(db)

    assert (found.event, found.job.state) == (None, State.QUEUED)
    assert events.revisions(db, ["alice"]) == {"alice": 1}


def test_a_paid_job_is_claimed_only_and_none_behind_it_starts_first(db: Database) -> None:
    first = paid(db)
    accepted(db)

    found = claim(db)

    assert found is not None
    assert (found.run.job_id, found.event, found.job.state) == (first, None, State.QUEUED)


def test_a_job_whose_claim_was_lost_is_claimed_only(db: Database) -> None:
    accepted(db)
    claimed(db, "dead", lease_ms=-1)

    found = claim(db)

    assert found is not None
    assert (found.event, found.job.attempt) == (None, 2)


def test_a_job_that_is_too_late_is_claimed_only(db: Database) -> None:
    accepted(db, start_within_ms=1000)
    db.write(lambda session: session.run(TOO_LATE))

    found = claim(db)

    assert found is not None
    assert (found.event, found.job.state) == (None, State.QUEUED)


def test_a_user_who_is_changed_just_now_holds_no_other_up(db: Database) -> None:
    if db.dialect is Dialect.SQLITE:
        pytest.skip("it has one writer")
    mine = accepted(db, "alice").job.job_id
    hers = accepted(db, "bella").job.job_id
    locked, let_go = threading.Event(), threading.Event()

    def change() -> None:
        def work(session: Session) -> None:
            bump(session, "alice")
            session.now_ms()  # sends it
            locked.set()
            let_go.wait(2)

        db.write(work)

    with ThreadPoolExecutor() as pool:
        changing = pool.submit(change)
        assert locked.wait(2)
        first, second = claim(db), claim(db)
        let_go.set()
        changing.result()

    assert started(first).job.job_id == hers
    assert second is not None
    assert (second.run.job_id, second.event) == (mine, None)


def test_no_user_runs_more_than_it_may_however_many_claim_at_once(db: Database) -> None:
    for _ in range(12):
        accepted(db)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: claim(db, cap=3), range(24)))

    begun = [taken for taken in found if taken is not None and taken.event is not None]
    assert 1 <= len(begun) == len({taken.run.job_id for taken in begun}) <= 3
    assert db.row(RUNNING) == (len(begun),)
    revisions = sorted(started(taken).revision for taken in begun)
    assert revisions == list(range(13, 13 + len(begun)))


def test_a_start_holds_the_user_of_no_other_job(db: Database) -> None:
    # Given jobs of several users, of which one is being started
    for user in ("alice", "bob", "carol"):
        accepted(db, user)
    free = Statement("SELECT user_id FROM user_stream ORDER BY user_id {skip_locked}")

    def work(session: Session) -> tuple[str, set[str]]:
        locked = starts._lock_startable(session, "video", 100, LOCAL)
        assert locked is not None
        with ThreadPoolExecutor(1) as other:
            return locked.run.user_id, {row[0] for row in other.submit(db.rows, free).result()}

    starting, others = db.write(work)

    # Then nobody waits for it who changes the other users (SQLite has one writer anyway)
    if db.dialect is Dialect.POSTGRES:
        assert others == {"alice", "bob", "carol"} - {starting}
