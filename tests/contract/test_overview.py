"""The installation at a glance, on SQLite and on PostgreSQL alike."""

from core.jobs import State
from core.store import Database, budgets, circuits, overview, workers
from tests.making import accepted, started


def test_an_empty_installation_has_nothing(db: Database) -> None:
    seen = overview.look(db)

    assert (seen.unfinished, seen.oldest_ms, seen.live_workers) == ({}, {}, {})
    assert (seen.newest_beat, seen.open_circuits) == (None, {})
    assert (seen.reserved_micros, seen.spent_micros) == (0, 0)
    assert abs(seen.now - db.now_ms()) < 5000


def test_unfinished_jobs_are_counted_by_queue_and_state(db: Database) -> None:
    for _ in range(3):
        accepted(db)
    started(db)

    seen = overview.look(db)

    assert seen.unfinished == {("video", State.QUEUED): 2, ("video", State.RUNNING): 1}
    assert seen.oldest_ms.keys() == {"video"}
    assert 0 <= seen.oldest_ms["video"] < 60_000


def test_workers_are_counted_for_each_queue_that_they_serve(db: Database) -> None:
    workers.beat(db, "w1", ["video", "image"])
    workers.beat(db, "w2", ["video"])

    seen = overview.look(db)

    assert seen.live_workers == {"video": 2, "image": 1}
    assert seen.newest_beat is not None
    assert abs(seen.newest_beat - seen.now) < 5000


def test_the_money_is_the_installations_of_this_day(db: Database) -> None:
    now = db.now_ms()
    db.write(lambda session: budgets.reserve(session, "alice", 500, now))
    db.write(lambda session: budgets.settle(session, "alice", now, 200, 150))

    seen = overview.look(db)

    assert (seen.reserved_micros, seen.spent_micros) == (300, 150)


def test_a_provider_that_is_left_alone_is_named(db: Database) -> None:
    circuits.failed(db, "simulator", 1, 60_000)
    circuits.failed(db, "other", 2, 60_000)

    assert overview.look(db).open_circuits.keys() == {"simulator"}
