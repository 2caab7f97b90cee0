"""A job waits in the queue of its model, and is claimed from there alone."""

from core.store import Database, accept, claims
from tests.making import IMAGE, accepted, claimed, new_job


def test_a_claim_takes_only_jobs_of_its_queue(db: Database) -> None:
    accepted(db, spec=IMAGE)
    assert claims.claim(db, "video", "w", 1000, 100) is None
    assert claims.claim(db, "image", "w", 1000, 100) is not None


def test_a_job_waits_in_the_queue_of_its_kind(db: Database) -> None:
    made = accept.accept(db, new_job(spec=IMAGE))
    assert (made.job.kind, made.job.queue) == ("image", "image")


def test_a_job_whose_model_has_a_queue_of_its_own_waits_there(db: Database) -> None:
    # Given one in such a queue, and one in that of its kind
    own, usual = accepted(db, queue="slow-1").job, accepted(db).job
    assert (own.kind, own.queue) == ("video", "slow-1")

    # Then each is claimed from its own, and says so to who wakes others for it
    first = claims.claim(db, "slow-1", "worker", 60_000, user_concurrency=9)
    assert first is not None
    assert (first.job.job_id, first.job.queue) == (own.job_id, "slow-1")
    assert claimed(db).job.job_id == usual.job_id
    assert claims.claim(db, "slow-1", "worker", 60_000, user_concurrency=9) is None
