"""The installation at a glance, on SQLite and on PostgreSQL alike."""

from core.jobs import State
from core.store import Database, budgets, circuits, overview, workers
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from tests.making import accepted, started

AGE = Statement("UPDATE job SET create_time = create_time - :ms WHERE job_id = :job_id")
DELAY = Statement("UPDATE job SET next_run_time = {now} + 60000 WHERE job_id = :job_id")


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


def test_the_oldest_job_that_may_start_says_how_long_a_queue_waits(db: Database) -> None:
    # Given users whose jobs wait for an hour and less, and the oldest of all for a moment to come
    ages = {"alice": [3_600_000, 60_000], "bob": [900_000, 20_000], "carol": [1_000]}
    made = {user: [accepted(db, user).job.job_id for _ in some] for user, some in ages.items()}
    for user, some in ages.items():
        for job_id, ms in zip(made[user], some, strict=True):
            db.write(lambda session, ms=ms, job_id=job_id: session.run(AGE, ms=ms, job_id=job_id))
    db.write(lambda session: session.run(DELAY, job_id=made["alice"][0]))

    seen = overview.look(db)

    assert seen.unfinished == {("video", State.QUEUED): 5}
    assert 900_000 <= seen.oldest_ms["video"] < 960_000


def test_workers_are_counted_for_each_queue_that_they_serve(db: Database) -> None:
    workers.beat(db, "w1", ["video", "image"])
    workers.beat(db, "w2", ["video"])

    seen = overview.look(db)

    assert seen.live_workers == {"video": 2, "image": 1}
    assert seen.newest_beat is not None
    assert abs(seen.newest_beat - seen.now) < 5000


def test_the_money_is_the_installations_of_this_day(db: Database) -> None:
    now = db.now_ms()

    def reserve(session: Session) -> None:
        reservations = budgets.Reservations(session, ["alice"], now)
        reservations.add("alice", 500)
        reservations.write()

    db.write(reserve)
    db.write(lambda session: budgets.settle(session, "alice", now, 200, 150))

    seen = overview.look(db)

    assert (seen.reserved_micros, seen.spent_micros) == (300, 150)


def test_a_provider_that_is_left_alone_is_named(db: Database) -> None:
    circuits.failed(db, "simulator", 1, 60_000)
    circuits.failed(db, "other", 2, 60_000)

    assert overview.look(db).open_circuits.keys() == {"simulator"}
