"""Pauses, drains and the figures of queues, on both databases."""

import pytest

from core.errors import NotFound
from core.store import Database, claims, pauses, queue_stats, workers
from core.store.workers import WorkerState
from tests.making import accepted, started


def test_a_paused_queue_starts_nothing_until_it_is_resumed(db: Database) -> None:
    accepted(db)
    pauses.pause(db, "video", "first")
    since = pauses.paused(db)["video"].pause_time
    pauses.pause(db, "video", "second")
    assert pauses.paused(db)["video"] == pauses.Pause("second", since)
    assert claims.claim(db, "video", "w", 60_000, user_concurrency=4) is None
    for _ in range(2):
        pauses.resume(db, "video")
    assert pauses.paused(db) == {}
    assert claims.claim(db, "video", "w", 60_000, user_concurrency=4) is not None


def test_a_drain_names_one_worker_and_may_be_repeated(db: Database) -> None:
    for name in ("w-b", "w-a"):
        workers.beat(db, name, ["video"])
    for _ in range(2):
        assert workers.drain(db, "w-a").state is WorkerState.DRAINING
    # A heartbeat takes no drain back
    workers.beat(db, "w-a", ["video"])
    assert workers.shall_end(db, "w-a")
    assert not workers.shall_end(db, "w-b")
    with pytest.raises(NotFound):
        workers.drain(db, "no-such")


def test_the_figures_of_a_queue_count_its_jobs_and_those_who_serve_it(db: Database) -> None:
    accepted(db)
    started(db)
    accepted(db)
    for name in ("w-a", "w-b"):
        workers.beat(db, name, ["video"])
    workers.drain(db, "w-b")
    pauses.pause(db, "odd", "closed")
    by_name = {stats.queue: stats for stats in queue_stats.look(db, ["video", "image"])}
    assert list(by_name) == ["video", "image", "odd"]
    video = by_name["video"]
    assert (video.queued, video.running, video.workers) == (1, 1, 1)
    assert video.oldest_wait_ms is not None
    assert video.median_wait_ms is not None
    assert by_name["image"].oldest_wait_ms is None
    assert by_name["odd"].pause is not None
