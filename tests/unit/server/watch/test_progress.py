"""Progress is merged, never follows its job's end, and may be dropped."""

from pathlib import Path

import pytest

from core.events import Event
from core.process.settings import read_settings
from core.store import transitions
from tests.making import new_media, started
from tests.services import Valkey
from tests.unit.server.watch.place import Place

pytestmark = pytest.mark.asyncio


async def test_progress_comes_merged_and_never_after_its_jobs_end(place: Place) -> None:
    event = place.accept()
    seen = await place.synced(progress_ms=200)
    claim = started(place.db)
    for percent in range(50):
        place.tick(event, percent, attempt=1)
    await seen.until(lambda: "progress" in seen.kinds())
    ended = transitions.succeed(place.db, claim.run, new_media(job_id=event.job.job_id))
    place.teller.tell(ended)
    place.tick(event, 99, attempt=1)
    await seen.until(lambda: seen.revisions() == [2, 3])
    place.accept()
    await seen.until(lambda: 4 in seen.revisions())

    assert seen.kinds().count("progress") <= 3
    last = max(i for i, kind in enumerate(seen.kinds()) if kind == "progress")
    assert last < seen.kinds().index("job", seen.kinds().index("synced") + 2)


async def test_progress_of_a_job_that_ended_before_the_watch_is_dropped(place: Place) -> None:
    event = place.accept()
    transitions.cancel(place.db, "alice", event.job.job_id, "")
    seen = await place.synced(recent_ms=60_000)
    place.tick(event, 50)
    place.accept()
    await seen.until(lambda: seen.revisions() == [3])
    assert "progress" not in seen.kinds()


async def test_places_in_the_queue_are_told_as_they_change(place: Place) -> None:
    first, second = place.accept(), place.accept()
    seen = await place.synced()

    def places(event: Event) -> list[int]:
        ticks = [e.progress for e in seen.all_events if e.HasField("progress")]
        mine = [tick for tick in ticks if tick.job_id == event.job.job_id]
        return [tick.queue.position for tick in mine]

    await seen.until(lambda: places(second) == [2])
    transitions.cancel(place.db, "alice", first.job.job_id, "")
    await seen.until(lambda: places(second) == [2, 1])
    assert seen.revisions() == [3]


async def test_progress_of_an_earlier_attempt_is_dropped(place: Place) -> None:
    event = place.accept()
    seen = await place.synced()
    place.tick(event, 70, attempt=2)
    await seen.until(lambda: "progress" in seen.kinds())
    place.tick(event, 90, attempt=1)
    place.tick(event, 80, attempt=2)
    await seen.until(lambda: seen.kinds().count("progress") == 2)
    assert [e.progress.progress.percent for e in seen.events if e.HasField("progress")] == [70, 80]


async def test_a_percent_never_falls_inside_an_attempt(place: Place) -> None:
    event = place.accept()
    seen = await place.synced()
    for percent in (70, 60, 80):
        told = seen.kinds().count("progress")
        place.tick(event, percent, attempt=1)
        await seen.until(lambda told=told: seen.kinds().count("progress") == told + 1)
    place.tick(event, 5, attempt=2)
    await seen.until(lambda: seen.kinds().count("progress") == 4)
    percents = [e.progress.progress.percent for e in seen.events if e.HasField("progress")]
    assert percents == [70, 70, 80, 5]


async def test_progress_of_jobs_that_are_filtered_out_is_not_sent(place: Place) -> None:
    mine, other = place.accept(labels={"n": "1"}), place.accept()
    seen = await place.synced(labels=frozenset({("n", "1")}))
    place.tick(other, 10)
    place.tick(mine, 10)
    await seen.until(lambda: "progress" in seen.kinds())
    told = {e.progress.job_id for e in seen.events if e.HasField("progress")}
    assert told == {mine.job.job_id}


@pytest.mark.timeout(30)  # What this guards against blocks the event loop, so no deadline passes.
async def test_a_watch_that_begins_ahead_of_its_feed_lets_the_feed_catch_up(
    tmp_path: Path, valkey: Valkey
) -> None:
    # Given a watched job with progress, which ends without anybody being told
    place = Place(read_settings(data_dir=tmp_path, redis_url=valkey.url, compare_seconds=60))
    await place.start()
    try:
        first = await place.synced()
        event = place.accept()
        place.tick(event, 50)
        await first.until(lambda: "progress" in first.kinds())
        transitions.cancel(place.db, "alice", event.job.job_id, "")

        # When another watch begins, whose snapshot is of after that end
        second = await place.synced()

        # Then the feed reads the end too, and both watches go on
        await first.until(lambda: first.revisions() == [1, 2])
        place.accept()
        await first.until(lambda: first.revisions() == [1, 2, 3])
        await second.until(lambda: second.revisions() == [3])
        assert "progress" not in second.kinds()
    finally:
        await place.close()
