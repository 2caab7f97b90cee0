"""Durable changes of a user: events of jobs and other kinds, in one log on one revision."""

import pytest

from core.errors import NotFound
from core.events import UserChange
from core.store import Database, all_jobs, events, retention, transitions
from core.store.engine.sql import Statement
from tests.making import accepted, continuable, noted

OLD = Statement("""
    UPDATE job_event SET event_time = 1 WHERE user_id = :user_id AND revision <= :revision
""")
AGE = Statement("UPDATE job_event SET event_time = 0 WHERE revision <= :revision")


def changes(db: Database, after: int = 0, limit: int = 100) -> list[UserChange]:
    return events.events_after(db, "alice", after, limit)


def test_changes_of_all_kinds_are_read_in_the_order_of_one_revision(db: Database) -> None:
    # Given a change of another kind between two events of a job
    made = accepted(db)
    note = noted(db)
    _, ended = transitions.cancel(db, "alice", made.job.job_id, "")
    assert made.event is not None
    assert ended is not None

    # Then all are read as they were written, in order
    assert changes(db) == [made.event.change, note, ended.change]
    assert changes(db, after=1, limit=1) == [note]
    assert [change.revision for change in changes(db)] == [1, 2, 3]
    assert events.revisions(db, ["alice"]) == {"alice": 3}


def test_the_events_of_a_job_are_no_other_changes_about_it(db: Database) -> None:
    made = accepted(db)
    noted(db, job_id=made.job.job_id)
    assert made.event is not None

    assert events.job_events(db, "alice", made.job.job_id, 0, 10) == [made.event.change]


def test_a_change_about_no_job_is_found_under_none(db: Database) -> None:
    noted(db)
    with pytest.raises(NotFound):
        events.job_events(db, "alice", "", 0, 10)


def test_the_changes_of_one_user_are_no_other_users(db: Database) -> None:
    noted(db, "bob")
    assert changes(db) == []
    assert [change.kind for change in events.events_after(db, "bob", 0, 10)] == ["note_of_a_test"]


def test_a_snapshot_and_a_token_count_changes_of_all_kinds(db: Database) -> None:
    accepted(db)
    noted(db)

    assert events.snapshot(db, "alice").revision == 2
    assert events.live_jobs(db, "alice")[0] == 2
    assert continuable(db, "alice", 1) == 2


def test_old_changes_are_forgotten_whatever_their_kind(db: Database) -> None:
    accepted(db)
    noted(db)
    kept = noted(db)
    db.write(lambda session: session.run(AGE, revision=2))

    retention.forget(db, keep_ms=60_000)

    assert changes(db) == [kept]
    assert continuable(db, "alice", 1) is None
    assert continuable(db, "alice", 2) == 3


def test_changes_of_many_users_are_read_together_from_where_each_stands(db: Database) -> None:
    # Given a user who is known up to a revision, one who is new, one who changed long ago, and one
    # of whom there is nothing
    known = [noted(db, "alice") for _ in range(3)]
    new = [noted(db, "bob") for _ in range(3)]
    noted(db, "carol")
    noted(db, "carol")
    db.write(lambda session: session.run(OLD, user_id="bob", revision=1))
    db.write(lambda session: session.run(OLD, user_id="carol", revision=2))

    heads = {"alice": 1, "bob": None, "carol": None, "nobody": None}
    found = all_jobs.changes_above(db, heads, since=2, limit=100)

    # Then each has its head and what came after it, in order
    assert found == {
        "alice": (1, known[1:]),
        "bob": (1, new[1:]),
        "carol": (2, []),
        "nobody": (0, []),
    }
    # And no user has more than the limit at once
    assert all_jobs.changes_above(db, {"alice": 0}, since=2, limit=2) == {"alice": (0, known[:2])}
