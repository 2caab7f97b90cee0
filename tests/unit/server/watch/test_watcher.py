"""A watcher misses and repeats nothing, whatever the stream loses, repeats or forgets."""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import pytest_asyncio

from core.errors import (
    CredentialsExpired,
    NotFound,
    RequestError,
    ResumeTokenInvalid,
    ServerDraining,
    TooManyWatches,
    WatcherTooSlow,
)
from core.events import Event, ProgressTick, event_to_json
from core.jobs import Progress, Stage
from core.queue import JobQueue, open_broker
from core.settings import Settings
from core.store import Database, events, open_database, retention, transitions
from core.store.sql import Statement
from core.stream import EventStream, connect, stream_key
from core.tell import Teller
from core.tokens import Tokens
from rushes.v1 import error_reason_pb2, job_pb2
from rushes.v1 import media_service_pb2 as pb
from server.mapping import Mapper
from server.mapping.addresses import Signed
from server.principal import Principal
from server.watch.hub import Hub
from server.watch.query import WatchQuery
from server.watch.watcher import Watcher
from tests.making import VIDEO, accepted, new_media, started
from tests.services import Valkey, wait_for_async

pytestmark = pytest.mark.asyncio
DEADLINE_SECONDS = 10.0
FAR = 2**52


class NoAddresses:
    def sign(self, media: Any, ttl_seconds: int | None = None) -> Signed:
        return Signed("", "", None)


class Seen:
    """What one watcher was sent."""

    def __init__(self) -> None:
        self.responses: list[pb.WatchJobsResponse] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def write(self, body: bytes) -> None:
        await self.hold.wait()
        self.responses.append(pb.WatchJobsResponse.FromString(body))

    @property
    def all_events(self) -> list[pb.WatchEvent]:
        return [event for response in self.responses for event in response.events]

    @property
    def events(self) -> list[pb.WatchEvent]:
        """All but places in the queue, which come when they come."""
        return [event for event in self.all_events if not event.progress.HasField("queue")]

    @property
    def token(self) -> str:
        return self.responses[-1].resume_token

    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("event")) for event in self.events]

    def revisions(self) -> list[int]:
        return [event.revision for event in self.events if event.revision]

    async def until(self, condition: Callable[[], object]) -> None:
        await wait_for_async(condition)


class Place:
    """A hub with its database and stream."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.db: Database = open_database(settings)
        self.redis = connect(settings)
        self.broker = open_broker(self.redis)
        self.stream = EventStream(self.redis, settings.stream_shards)
        self.teller = Teller(self.stream, JobQueue(self.broker))
        self.tokens = Tokens(b"k" * 32)
        self.pool = ThreadPoolExecutor(4)
        self.mapper = Mapper(NoAddresses(), "USD")
        self.hub = Hub(settings, self.db, self.pool, self.mapper)
        self.tasks: list[asyncio.Task[None]] = []

    def accept(self, user_id: str = "alice", *, tell: bool = True, **changes: Any) -> Event:
        made = accepted(self.db, user_id, **changes)
        assert made.event is not None
        if tell:
            self.teller.tell(made.event)
        return made.event

    def tick(self, event: Event, percent: int, attempt: int = 0) -> None:
        tick = ProgressTick(
            user_id=event.job.user_id,
            job_id=event.job.job_id,
            attempt=attempt,
            progress=Progress(stage=Stage.GENERATING, percent=percent),
        )
        self.teller.tell_progress(tick)

    def watch(
        self,
        user_id: str = "alice",
        *,
        seen: Seen | None = None,
        expire_time: int = FAR,
        stuck_seconds: float = 5.0,
        **options: Any,
    ) -> tuple[Seen, asyncio.Task[None]]:
        seen = seen or Seen()
        values: dict[str, Any] = {
            "resume_token": "",
            "job_ids": frozenset(),
            "labels": frozenset(),
            "recent_ms": 0,
            "checkpoint_ms": 60_000,
            "progress_ms": 50,
            "until_done": False,
        }
        watcher = Watcher(
            hub=self.hub,
            db=self.db,
            mapper=self.mapper,
            tokens=self.tokens,
            principal=Principal(user_id, expire_time),
            query=WatchQuery(**{**values, **options}),
            write=seen.write,
            stuck_seconds=stuck_seconds,
        )
        task = asyncio.create_task(watcher.serve())
        self.tasks.append(task)
        return seen, task

    async def synced(self, user_id: str = "alice", **options: Any) -> Seen:
        seen, _ = self.watch(user_id, **options)
        await seen.until(lambda: "synced" in seen.kinds())
        return seen

    async def token(self, user_id: str = "alice") -> str:
        return (await self.synced(user_id)).token

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.hub.close()
        self.pool.shutdown()
        self.broker.close()
        self.redis.close()
        self.db.close()


@pytest_asyncio.fixture
async def place(tmp_path: Any, valkey: Valkey) -> AsyncIterator[Place]:
    from core.settings import read_settings

    made = Place(read_settings(data_dir=tmp_path, redis_url=valkey.url, compare_seconds=0.2))
    await made.hub.start()
    try:
        yield made
    finally:
        await made.close()


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
    fields = {"kind": "event", "user": "alice", "revision": 1, "job": "x", "attempt": 0}
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


async def test_until_done_ends_when_nothing_is_unfinished(place: Place) -> None:
    event = place.accept()
    seen, task = place.watch(until_done=True)
    await seen.until(lambda: "synced" in seen.kinds())
    _, ended = transitions.cancel(place.db, "alice", event.job.job_id, "")
    assert ended is not None
    place.teller.tell(ended)

    await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.kinds() == ["job", "synced", "job", "end"]
    assert seen.events[-1].end.reason == 0


async def test_until_done_with_a_token_knows_what_ended_meanwhile(place: Place) -> None:
    event = place.accept()
    token = await place.token()
    transitions.cancel(place.db, "alice", event.job.job_id, "")
    seen, task = place.watch(until_done=True, resume_token=token)
    await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.kinds() == ["job", "synced", "end"]


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


async def test_a_job_that_ends_while_a_watch_begins_is_not_lost(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a job that ends between the reads with which a watch begins
    event = place.accept()
    token = await place.token()
    read = events.continuable

    def read_late(db: Database, user_id: str, after: int) -> int | None:
        head = read(db, user_id, after)
        transitions.cancel(db, user_id, event.job.job_id, "")
        return head

    monkeypatch.setattr("server.watch.watcher.events.continuable", read_late)

    # When it is watched until it is done, then its end is seen
    seen, task = place.watch(until_done=True, resume_token=token)
    await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.revisions() == [2]
    assert seen.kinds()[-1] == "end"


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


async def test_progress_of_jobs_that_are_filtered_out_is_not_sent(place: Place) -> None:
    mine, other = place.accept(labels={"n": "1"}), place.accept()
    seen = await place.synced(labels=frozenset({("n", "1")}))
    place.tick(other, 10)
    place.tick(mine, 10)
    await seen.until(lambda: "progress" in seen.kinds())
    told = {e.progress.job_id for e in seen.events if e.HasField("progress")}
    assert told == {mine.job.job_id}


async def test_silence_is_broken_by_checkpoints(place: Place) -> None:
    seen = await place.synced(checkpoint_ms=50)
    await seen.until(lambda: len(seen.responses) >= 3)
    assert not seen.responses[-1].events
    assert seen.responses[-1].resume_token


async def test_a_drain_ends_every_watch_with_a_reason_and_a_token(place: Place) -> None:
    seen, task = place.watch()
    await seen.until(lambda: "synced" in seen.kinds())
    place.hub.drain()
    with pytest.raises(ServerDraining):
        await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.events[-1].end.reason == error_reason_pb2.SERVER_DRAINING
    assert seen.token
    _, late = place.watch()
    with pytest.raises(ServerDraining):
        await late


async def test_a_watch_ends_with_its_token(place: Place) -> None:
    soon = int(time.time() * 1000) + 200
    seen, task = place.watch(expire_time=soon)
    with pytest.raises(CredentialsExpired):
        await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.events[-1].end.reason == error_reason_pb2.CREDENTIALS_EXPIRED


async def test_a_stuck_watcher_is_ended_and_loses_nothing(place: Place) -> None:
    seen, task = place.watch(stuck_seconds=0.2)
    await seen.until(lambda: "synced" in seen.kinds())
    fast = await place.synced()
    seen.hold.clear()
    place.accept()
    with pytest.raises(WatcherTooSlow):
        await asyncio.wait_for(task, DEADLINE_SECONDS)
    await fast.until(lambda: fast.revisions() == [1])
    again = await place.synced(resume_token=seen.token)
    assert again.revisions() == [1]


async def test_a_slow_watcher_gets_what_it_missed_in_one_response(place: Place) -> None:
    seen = await place.synced()
    seen.hold.clear()
    for _ in range(20):
        place.accept()
    fast = await place.synced()
    assert len(fast.events) == 21
    seen.hold.set()
    await seen.until(lambda: len(seen.revisions()) == 20)
    assert seen.revisions() == list(range(1, 21))
    assert len(seen.responses) <= 4


async def test_a_user_has_a_limited_number_of_watches(tmp_path: Any, valkey: Valkey) -> None:
    from core.settings import read_settings

    place = Place(read_settings(data_dir=tmp_path, redis_url=valkey.url, max_watches=2))
    await place.hub.start()
    try:
        await place.synced()
        _, second = place.watch()
        _, third = place.watch()
        done, _ = await asyncio.wait(
            {second, third}, timeout=DEADLINE_SECONDS, return_when="FIRST_COMPLETED"
        )
        [refused] = done
        assert isinstance(refused.exception(), TooManyWatches)
        assert isinstance(refused.exception(), RequestError)
    finally:
        await place.close()


async def test_a_hub_that_breaks_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    await place.synced()
    monkeypatch.setattr("server.watch.hub.events.revisions", bug)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await place.hub.broken.wait()


async def test_what_left_leaves_nothing_behind(place: Place) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(20):
        seen, task = place.watch()
        await seen.until(lambda seen=seen: "synced" in seen.kinds())
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    place.tasks.clear()
    assert place.hub.watch_count == 0
    assert len(asyncio.all_tasks()) <= before + 1
    assert json.dumps(event_to_json(place.accept()))


async def test_a_thousand_resumes_under_writing_miss_and_repeat_nothing(place: Place) -> None:
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
