"""The event stream and its tail, on a real Valkey."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest
import redis

from core.events import Event, ProgressTick, event_from_json
from core.jobs import EventType, Progress, Stage, progress_from_json
from core.process.settings import Settings
from core.telling.stream import EventStream, StreamRow, StreamTail, connect, shard_of, stream_key
from tests.making import job_value
from tests.services import Valkey

pytestmark = pytest.mark.asyncio
SECONDS = 20


class Reader:
    """Takes rows from a tail one by one."""

    def __init__(self, batches: AsyncIterator[list[StreamRow]]) -> None:
        self._batches = batches

    async def batch(self) -> list[StreamRow]:
        async with asyncio.timeout(SECONDS):
            return await anext(self._batches)

    async def rows(self, count: int) -> list[StreamRow]:
        found: list[StreamRow] = []
        while len(found) < count:
            found += await self.batch()
        return found


@asynccontextmanager
async def reading(settings: Settings, shard: int = 0) -> AsyncIterator[tuple[StreamTail, Reader]]:
    """A tail that stands at the stream's end."""
    tail = StreamTail(settings, shard)
    try:
        async with aclosing(tail.batches()) as batches:
            reader = Reader(batches)
            assert await reader.batch() == []
            yield tail, reader
    finally:
        await tail.close()


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as made:
        yield made


@pytest.fixture
def stream(client: redis.Redis) -> EventStream:
    return EventStream(client, 1)


def event(revision: int, user_id: str = "alice") -> Event:
    job = job_value(user_id, revision=revision, attempt=2)
    return Event(revision, EventType.UPDATED, 1234, job)


def tick(percent: int) -> ProgressTick:
    progress = Progress(stage=Stage.GENERATING, percent=percent, message="frame")
    return ProgressTick(user_id="alice", job_id="job", attempt=3, progress=progress)


def revisions(rows: list[StreamRow]) -> list[int]:
    return [row.revision for row in rows]


async def test_events_and_progress_arrive_whole_and_in_order(
    settings: Settings, stream: EventStream
) -> None:
    async with reading(settings) as (_, reader):
        first, second = event(1), event(2)
        stream.publish(first)
        stream.publish_progress(tick(40))
        stream.publish(second)

        told, progress, last = await reader.rows(3)

    assert (told.kind, told.user_id, told.revision) == ("event", "alice", 1)
    assert (told.job_id, told.attempt) == (first.job.job_id, 2)
    assert event_from_json(told.revision, json.loads(told.payload)) == first
    assert (progress.kind, progress.revision, progress.attempt) == ("progress", 0, 3)
    assert progress_from_json(json.loads(progress.payload)) == tick(40).progress
    assert event_from_json(last.revision, json.loads(last.payload)) == second


async def test_many_events_keep_their_order(settings: Settings, stream: EventStream) -> None:
    async with reading(settings) as (_, reader):
        for revision in range(1, 1201):
            stream.publish(event(revision))
        assert revisions(await reader.rows(1200)) == list(range(1, 1201))


async def test_a_tail_begins_at_the_end(settings: Settings, stream: EventStream) -> None:
    stream.publish(event(1))
    async with reading(settings) as (_, reader):
        stream.publish(event(2))
        assert revisions(await reader.rows(1)) == [2]


async def test_after_a_quiet_second_there_is_an_empty_batch(settings: Settings) -> None:
    async with reading(settings) as (_, reader):
        assert await reader.batch() == []


@pytest.mark.parametrize(
    "garbage",
    [
        {"unknown": "fields"},
        {"kind": "event"},
        {
            **{"kind": "event", "user": "alice", "revision": "many", "job": "j"},
            **{"attempt": "1", "payload": "{}"},
        },
        {
            **{"kind": b"\xff\xfe", "user": "alice", "revision": "1", "job": "j"},
            **{"attempt": "1", "payload": "{}"},
        },
    ],
)
async def test_garbage_is_passed_over(
    settings: Settings,
    client: redis.Redis,
    stream: EventStream,
    garbage: dict[str | bytes, str | bytes],
) -> None:
    async with reading(settings) as (_, reader):
        stream.publish(event(1))
        client.xadd(stream_key(0), garbage)  # type: ignore[arg-type]
        stream.publish(event(2))
        assert revisions(await reader.rows(2)) == [1, 2]


async def test_the_stream_stays_short(
    client: redis.Redis, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.telling.stream.MAX_ENTRIES", 100)
    for percent in range(1000):
        stream.publish_progress(tick(percent % 100))
    assert 100 <= client.xlen(stream_key(0)) <= 300


async def test_after_a_wipe_the_tail_reads_on(
    settings: Settings, valkey: Valkey, stream: EventStream
) -> None:
    async with reading(settings) as (_, reader):
        stream.publish(event(1))
        assert revisions(await reader.rows(1)) == [1]
        valkey.flush()
        stream.publish(event(2))
        assert revisions(await reader.rows(1)) == [2]


async def test_a_forgotten_position_brings_a_deaf_tail_back(
    settings: Settings, client: redis.Redis, valkey: Valkey, stream: EventStream
) -> None:
    # Given a tail whose position is of a clock that was far ahead, and a wipe
    async with reading(settings) as (tail, reader):
        client.xadd(stream_key(0), {"from": "the future"}, id="9999999999999-0")
        assert await reader.batch() == []
        valkey.flush()
        stream.publish(event(1))
        assert await reader.batch() == []  # deaf

        # When it forgets its position
        tail.forget_position()

        # Then it hears what comes from now on
        assert await reader.batch() == []
        stream.publish(event(2))
        assert revisions(await reader.rows(1)) == [2]


async def test_users_are_spread_over_the_shards_and_each_is_in_one(
    settings: Settings, client: redis.Redis
) -> None:
    shards = 4
    users = [f"user-{number}" for number in range(40)]
    stream = EventStream(client, shards)
    for user in users:
        stream.publish(event(1, user))
        stream.publish(event(2, user))

    found = {
        shard: [fields[b"user"].decode() for _, fields in client.xrange(stream_key(shard))]
        for shard in range(shards)
    }
    assert all(found.values())
    for shard, told in found.items():
        assert all(shard_of(user, shards) == shard for user in told)
    assert sorted(user for told in found.values() for user in told) == sorted(users * 2)


async def test_a_tail_hears_its_own_shard_only(settings: Settings, client: redis.Redis) -> None:
    stream = EventStream(client, 2)
    mine = next(u for u in ("a", "b", "c", "d", "e") if shard_of(u, 2) == 1)
    others = next(u for u in ("a", "b", "c", "d", "e") if shard_of(u, 2) == 0)

    async with reading(settings, shard=1) as (_, reader):
        stream.publish(event(1, others))
        stream.publish(event(2, mine))
        assert revisions(await reader.rows(1)) == [2]


async def test_a_user_stays_in_its_shard_whatever_the_process() -> None:
    # A constant of the installation: hash() differs from process to process.
    assert [shard_of(user, 8) for user in ("alice", "bob", "")] == [7, 0, 0]


async def test_a_lost_connection_is_told_and_the_next_call_goes_on(
    settings: Settings, valkey: Valkey, stream: EventStream
) -> None:
    tail = StreamTail(settings, 0)
    async with aclosing(tail.batches()) as batches:
        await Reader(batches).batch()
        valkey.kill()
        with pytest.raises((redis.RedisError, OSError)):
            await Reader(batches).rows(1)
    valkey.start()

    tail.forget_position()
    async with aclosing(tail.batches()) as batches:
        reader = Reader(batches)
        assert await reader.batch() == []
        stream.publish(event(7))
        assert revisions(await reader.rows(1)) == [7]
    await tail.close()


async def test_a_tail_that_is_cancelled_ends(settings: Settings) -> None:
    async with reading(settings) as (_, reader):
        task = asyncio.create_task(reader.rows(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    "tell", [lambda s: s.publish(event(1)), lambda s: s.publish_progress(tick(1))]
)
async def test_telling_a_valkey_that_is_gone_says_so(
    valkey: Valkey, stream: EventStream, tell: Callable[[EventStream], None]
) -> None:
    valkey.kill()
    with pytest.raises(redis.RedisError):
        tell(stream)
