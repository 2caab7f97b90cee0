"""Places in the queue, of many jobs at once and of one that is not there yet."""

from core.store import Database, jobs, transitions
from core.store.accept import accept
from tests.making import accepted, new_job


def test_places_of_many_jobs_are_those_of_each(db: Database) -> None:
    made = [accepted(db, user).job.job_id for user in ("alice", "alice", "bob", "alice")]
    places = jobs.queue_places(db, made)
    assert places == {job_id: jobs.queue_place(db, job_id) for job_id in made}
    assert sorted(place.position for place in places.values()) == [1, 2, 3, 4]


def test_a_job_that_does_not_wait_has_no_place(db: Database) -> None:
    first, second = (accepted(db).job.job_id for _ in range(2))
    transitions.cancel(db, "alice", first, "")
    assert set(jobs.queue_places(db, [first, second])) == {second}
    assert jobs.queue_places(db, []) == {}


def test_the_next_place_is_the_one_that_the_next_job_gets(db: Database) -> None:
    for user in ("alice", "alice", "bob", "carol", "alice", "bob", "dave"):
        expected = jobs.next_place(db, user, "video")
        job = accept(db, new_job(user)).job
        assert jobs.queue_place(db, job.job_id) == expected
