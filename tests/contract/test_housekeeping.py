"""What is forgotten, and who leads, on SQLite and on PostgreSQL alike."""

from core.store import Database, events, jobs, retention, transitions, workers
from core.store import media as library
from tests.making import accepted, new_media, started
from tests.services import wait_for


def test_what_was_forgotten_can_not_be_continued(db: Database) -> None:
    for _ in range(3):
        accepted(db)
    assert events.continuable(db, "alice", 0) == 3
    assert events.continuable(db, "alice", 3) == 3
    assert events.continuable(db, "alice", 4) is None

    retention.forget(db, keep_ms=-60_000)
    assert events.continuable(db, "alice", 3) == 3
    assert events.continuable(db, "alice", 2) is None


def test_retention_keeps_what_runs_and_the_library(db: Database) -> None:
    for _ in range(2):
        accepted(db)
    claim = started(db)
    media = new_media(job_id=claim.run.job_id)
    transitions.succeed(db, claim.run, media)
    retention.forget(db, keep_ms=-60_000)

    left = jobs.list_page(db, "alice", limit=10)[0]
    assert len(left) == 1
    assert left[0].job_id != claim.run.job_id
    assert library.get(db, "alice", media.media_id).job_id == claim.run.job_id


def test_a_dead_worker_serves_nothing(db: Database) -> None:
    workers.beat(db, "w1", ["video", "image"])
    assert workers.served_queues(db) == {"video", "image"}
    workers.leave(db, "w1")
    assert workers.served_queues(db) == set()


def test_a_duty_has_one_leader_until_its_lease_ends(db: Database) -> None:
    assert workers.lead(db, "purge", "a", 60_000)
    assert workers.lead(db, "purge", "a", 1)
    wait_for(lambda: workers.lead(db, "purge", "b", 60_000), "the lease to end")
    assert not workers.lead(db, "purge", "a", 60_000)
