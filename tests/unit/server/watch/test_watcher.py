"""A watcher misses nothing and sees nothing twice, whatever the stream loses or repeats."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import (
    NotFound,
    ResumeTokenInvalid,
)
from core.process.settings import read_settings
from core.store import Database, replay, retention, transitions
from core.store.engine.sql import Statement
from core.store.replay import Replay, Return
from core.telling.changes import Teller
from core.telling.memory_stream import MemoryStream
from core.telling.stream import stream_key
from rushes.v1 import job_pb2
from tests.making import VIDEO, noted
from tests.services import Valkey
from tests.unit.server.watch.place import DEADLINE_SECONDS, Place

pytestmark = pytest.mark.asyncio


async def test_a_first_visit_gets_a_snapshot_then_synced_then_changes(place: Place) -> None:
    place.accept()
    seen = await place.synced()
    place.accept()
    await seen.until(lambda: seen.revisions() == [2])

    assert seen.kinds() == ["job", "synced", "job"]
    assert [event.job.type for event in seen.events] == [1, 0, 2]
    assert seen.events[0].job.job.queue.position == 1
    assert all(response.resume_token for response in seen.responses)


async def test_a_return_gets_everything_after_the_token_once(place: Place) -> None:
    place.accept()
    token = await place.token()
    for _ in range(5):
        place.accept()

    seen = await place.synced(resume_token=token)
    assert seen.revisions() == [2, 3, 4, 5, 6]
    assert seen.kinds()[-1] == "synced"


async def test_a_return_from_before_the_ring_reads_the_database(place: Place) -> None:
    token = await place.token()
    for _ in range(600):
        place.accept(tell=False)
    seen = await place.synced(resume_token=token)
    assert seen.revisions() == list(range(1, 601))


async def test_what_was_never_told_is_found(place: Place) -> None:
    seen = await place.synced()
    place.accept(tell=False)
    await seen.until(lambda: seen.revisions() == [1])


async def test_what_is_told_late_or_twice_comes_in_order_once(place: Place) -> None:
    seen = await place.synced()
    first = place.accept(tell=False)
    second = place.accept(tell=False)
    place.stream.publish(second)
    place.stream.publish(second)
    place.stream.publish(first)
    place.accept()
    await seen.until(lambda: len(seen.revisions()) == 3)
    assert seen.revisions() == [1, 2, 3]


async def test_a_change_of_an_unknown_kind_is_passed_over(place: Place) -> None:
    # Given a watcher, and a change of a kind that this version does not know
    seen = await place.synced()
    place.accept()
    await seen.until(lambda: seen.revisions() == [1])
    noted(place.db)

    # When an event of a job follows, then the watcher is told of it and goes on
    place.accept()
    await seen.until(lambda: seen.revisions() == [1, 3])
    noted(place.db)
    place.accept(tell=False)
    await seen.until(lambda: seen.revisions() == [1, 3, 5])

    # And so does one who returns
    again = await place.synced(resume_token=seen.token)
    assert again.revisions() == []
    place.accept()
    await again.until(lambda: again.revisions() == [6])


async def test_a_wiped_stream_loses_nothing(place: Place, valkey: Valkey) -> None:
    seen = await place.synced()
    for _ in range(5):
        place.accept()
        valkey.flush()
        place.accept(tell=False)
    await seen.until(lambda: len(seen.revisions()) == 10)
    assert seen.revisions() == list(range(1, 11))


async def test_a_stream_whose_ids_went_back_is_not_deaf_for_long(
    place: Place, valkey: Valkey
) -> None:
    # Given a tail whose position is far in the future
    seen = await place.synced()
    place.redis.xadd(stream_key(0), {"x": "y"}, id=f"{2**50}-0")
    place.accept()
    await seen.until(lambda: seen.revisions() == [1])
    valkey.flush()

    # When events have earlier ids, then progress comes through again soon
    event = place.accept(tell=False)
    await seen.until(lambda: seen.revisions() == [1, 2])
    async with asyncio.timeout(DEADLINE_SECONDS):
        while "progress" not in seen.kinds():
            place.tick(event, 50)
            await asyncio.sleep(0.05)


async def test_without_redis_changes_still_come(place: Place, valkey: Valkey) -> None:
    seen = await place.synced()
    valkey.kill()
    place.accept()
    place.accept()
    await seen.until(lambda: seen.revisions() == [1, 2])

    # And a watch can begin then too
    other = await place.synced()
    assert len(other.events) == 3
    valkey.start()


async def test_garbage_in_the_stream_stops_nothing(place: Place) -> None:
    seen = await place.synced()
    place.redis.xadd(stream_key(0), {"garbage": b"\xff"})
    fields = {"kind": "job", "user": "alice", "revision": 1, "job": "x", "attempt": 0}
    place.redis.xadd(stream_key(0), {**fields, "payload": "{not json"})
    place.accept()
    await seen.until(lambda: seen.revisions() == [1])


async def test_two_devices_of_one_user_see_the_same(place: Place) -> None:
    one, two = await place.synced(), await place.synced()
    for _ in range(10):
        place.accept()
    await one.until(lambda: len(one.revisions()) == len(two.revisions()) == 10)
    assert [e.SerializeToString() for e in one.events if e.revision] == [
        e.SerializeToString() for e in two.events if e.revision
    ]


async def test_another_users_events_are_never_seen(place: Place) -> None:
    seen = await place.synced("bob")
    place.accept("alice")
    place.accept("bob")
    await seen.until(lambda: seen.revisions() == [1])
    assert {event.job.job.user_id for event in seen.events if event.revision} == {"bob"}


async def test_filters_keep_events_back_and_move_the_token_on(place: Place) -> None:
    seen = await place.synced(labels=frozenset({("node", "1")}))
    place.accept(labels={"node": "1"})
    place.accept(labels={"node": "2"})
    place.accept(labels={"node": "1", "view": "x"})
    await seen.until(lambda: len(seen.revisions()) == 2)
    assert seen.revisions() == [1, 3]

    place.accept(labels={"node": "9"})
    again = await place.synced(resume_token=seen.token)
    assert again.revisions() == [4]


async def test_named_jobs_are_in_the_snapshot_also_when_ended(place: Place) -> None:
    event = place.accept()
    place.accept()
    transitions.cancel(place.db, "alice", event.job.job_id, "")
    seen = await place.synced(job_ids=frozenset({event.job.job_id}))
    assert [e.job.job.job_id for e in seen.events[:-1]] == [event.job.job_id]
    assert seen.events[0].job.job.state == job_pb2.Job.CANCELLED


async def test_an_unknown_job_is_not_found(place: Place) -> None:
    _, task = place.watch(job_ids=frozenset({"unknown"}))
    with pytest.raises(NotFound):
        await task


async def test_a_forged_or_foreign_token_is_refused(place: Place) -> None:
    token = await place.token()
    for user_id, bad in (("alice", token[:-2] + "AA"), ("bob", token), ("alice", "x")):
        _, task = place.watch(user_id, resume_token=bad)
        with pytest.raises(ResumeTokenInvalid):
            await task


async def test_a_token_of_another_history_gets_a_reset_and_a_snapshot(place: Place) -> None:
    place.accept()
    token = await place.token()
    place.db.write(lambda s: s.run(Statement("UPDATE meta SET value = 'new'")))
    place.hub.epoch = place.db.epoch()
    seen = await place.synced(resume_token=token)
    assert seen.kinds() == ["reset", "job", "synced"]


async def test_a_token_that_is_too_old_gets_a_reset(place: Place) -> None:
    token = await place.token()
    place.accept()
    retention.forget(place.db, keep_ms=-60_000)
    seen = await place.synced(resume_token=token)
    assert seen.kinds()[0] == "reset"


async def test_a_token_above_the_revision_gets_a_reset(place: Place) -> None:
    place.accept()
    token = await place.token()
    place.db.write(lambda s: s.run(Statement("UPDATE user_stream SET revision = 0")))
    place.db.write(lambda s: s.run(Statement("DELETE FROM job_event")))
    seen = await place.synced(resume_token=token)
    assert seen.kinds()[0] == "reset"


async def test_a_history_that_changes_under_a_watch_resets_it(place: Place) -> None:
    place.accept()
    seen = await place.synced()
    place.db.write(lambda s: s.run(Statement("UPDATE meta SET value = 'new'")))
    await seen.until(lambda: "reset" in seen.kinds())
    await seen.until(lambda: seen.kinds()[-1] == "synced")
    place.accept()
    await seen.until(lambda: seen.revisions() == [2])


async def test_changes_that_are_forgotten_while_a_replay_runs_get_a_reset(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given more missed changes than one look reads, and those behind it go just after that look
    monkeypatch.setattr("server.watch.feed.RING_LINES", 1)
    monkeypatch.setattr("server.watch.returns.PAGE_LINES", 1)
    seen = await place.synced()
    token = seen.token
    for _ in range(3):
        place.accept()
    await seen.until(lambda: len(seen.revisions()) == 3)
    read = replay.replays

    def read_early(db: Database, returns: Sequence[Return], limit: int) -> list[Replay]:
        found = read(db, returns, limit)
        db.write(lambda s: s.run(Statement("DELETE FROM job_event WHERE revision < 3")))
        return found

    monkeypatch.setattr("server.watch.returns.replay.replays", read_early)

    # When they are asked for, then the loss is not silent
    seen = await place.synced(resume_token=token)
    assert seen.kinds() == ["job", "reset", "job", "job", "job", "synced"]


async def test_many_devices_that_return_at_once_miss_nothing(place: Place) -> None:
    # Given devices of several users that left at different moments
    users = ["alice", "bob", "carol"]
    tokens = []
    for number in range(10):
        for user_id in users:
            place.accept(user_id)
            tokens.append((user_id, number + 1, await place.token(user_id)))
    for user_id in users:
        place.accept(user_id, tell=False)

    # When they come back together, then each gets what it missed, once and in order
    watches = [place.watch(user_id, resume_token=token)[0] for user_id, _, token in tokens]
    for (_, left_at, _), seen in zip(tokens, watches, strict=True):
        await seen.until(lambda seen=seen: "synced" in seen.kinds())
        assert seen.revisions() == list(range(left_at + 1, 12))


async def test_a_large_snapshot_that_was_cut_is_begun_again(place: Place) -> None:
    spec = dataclasses.replace(VIDEO, prompt="a" * 4000)
    for _ in range(100):
        place.accept(tell=False, spec=spec)
    seen = await place.synced()
    assert len(seen.responses) >= 2
    half = seen.responses[0].resume_token
    again = await place.synced(resume_token=half)
    assert again.kinds()[0] == "reset"
    assert again.kinds().count("job") == 100


async def test_a_replay_of_large_events_fits_a_clients_limit(place: Place) -> None:
    token = await place.token()
    spec = dataclasses.replace(VIDEO, prompt="a" * 8000)
    for _ in range(300):
        place.accept(tell=False, spec=spec)
    seen = await place.synced(resume_token=token)
    assert seen.revisions() == list(range(1, 301))
    assert max(response.ByteSize() for response in seen.responses) < 2**20


async def test_a_thousand_resumes_under_writing_miss_and_repeat_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Places are told all the time, so that resumes meet progress too.
    monkeypatch.setattr("server.watch.places.PLACES_SECONDS", 0.01)
    writing = True

    def write() -> None:
        n = 0
        while writing:
            n += 1
            event = place.accept(tell=n % 7 != 0)
            _, ended = transitions.cancel(place.db, "alice", event.job.job_id, "")
            assert ended is not None
            if n % 5:
                place.teller.tell(ended)

    token = await place.token()
    revisions: list[int] = []
    writer = asyncio.get_running_loop().run_in_executor(None, write)
    try:
        for _ in range(200):
            seen, task = place.watch(resume_token=token)
            await seen.until(lambda seen=seen: len(seen.revisions()) >= 2)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            revisions += seen.revisions()
            token = seen.token
    finally:
        writing = False
        await writer
    assert revisions == list(range(1, len(revisions) + 1))


async def test_a_change_of_another_kind_that_is_told_moves_the_token_on_and_nothing_else(
    place: Place,
) -> None:
    # Given a watch, and a change of its user that is no job's event
    seen = await place.synced(checkpoint_ms=50)
    place.accept()
    await seen.until(lambda: seen.revisions() == [1])
    place.change_elsewhere()

    # When a job changes after it
    event = place.accept()

    # Then the watch has a gap where the other change is
    await seen.until(lambda: seen.revisions() == [1, 3])
    assert event.revision == 3

    # And so has a token that stands for the gap
    place.change_elsewhere()
    point = place.tokens.read_resume
    await seen.until(lambda: point("alice", seen.token).revision == 4)
    other = await place.synced(resume_token=seen.token)
    assert other.kinds() == ["synced"]


async def test_a_watch_until_done_does_not_count_changes_of_another_kind(place: Place) -> None:
    event = place.accept()
    seen, task = place.watch(until_done=True, labels=frozenset())
    await seen.until(lambda: "synced" in seen.kinds())
    place.change_elsewhere()
    _, ended = transitions.cancel(place.db, "alice", event.job.job_id, "")
    assert ended is not None
    place.teller.tell(ended)
    await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.revisions() == [3]


async def test_a_hub_runs_on_any_stream(tmp_path: Path) -> None:
    # Given a hub on a stream in memory, which compares so rarely that it can't help
    stream = MemoryStream()
    settings = read_settings(
        data_dir=tmp_path, redis_url="unix:///nowhere/valkey.sock", compare_seconds=60
    )
    place = Place(settings, stream)
    await place.start()
    try:
        seen = await place.synced()

        # When something is told, then it comes
        place.accept()
        await seen.until(lambda: seen.revisions() == [1])

        # And after an outage of the stream the feed reads what it missed
        stream.reachable = False
        place.accept()
        stream.reachable = True
        place.teller = Teller(stream, place.queue)
        place.accept()
        await seen.until(lambda: seen.revisions() == [1, 2, 3])
    finally:
        await place.close()
