"""The event stream: every implementation tells in order, and says when it can't be reached."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import dramatiq
import pytest
import redis
from redis.exceptions import RedisClusterException

from core.errors import DependencyUnavailable
from core.events import JOB_KIND, Event, ProgressTick
from core.jobs import EventType, Progress, Stage
from core.process.settings import Settings, read_settings
from core.telling.memory_stream import MemoryStream
from core.telling.stream import (
    EventStream,
    RedisStream,
    StreamRow,
    StreamTail,
    connect,
    reaching,
    shard_of,
    stream_key,
)
from tests.decoding import event_from_json, progress_from_json
from tests.making import job_value
from tests.services import Valkey, wait_for_async

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
async def reading(stream: EventStream, shard: int = 0) -> AsyncIterator[tuple[StreamTail, Reader]]:
    """A tail that stands at the stream's end."""
    tail = stream.tail(shard)
    try:
        async with aclosing(tail.batches()) as batches:  # type: ignore[type-var]
            reader = Reader(batches)
            assert await reader.batch() == []
            yield tail, reader
    finally:
        await tail.close()


@dataclass
class Backend:
    """One implementation: how to open, to lose and to regain its stream."""

    open: Callable[[int], EventStream]
    lose: Callable[[], None]
    regain: Callable[[], None]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as made:
        yield made


@pytest.fixture(params=["redis", "memory"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return redis_backend(request) if request.param == "redis" else memory_backend()


def redis_backend(request: pytest.FixtureRequest) -> Backend:
    client = request.getfixturevalue("client")
    valkey: Valkey = request.getfixturevalue("valkey")

    def open_stream(shards: int) -> EventStream:
        return RedisStream(client, read_settings(redis_url=valkey.url, stream_shards=shards))

    return Backend(open_stream, valkey.kill, valkey.start)


def memory_backend() -> Backend:
    opened: list[MemoryStream] = []

    def open_stream(shards: int) -> EventStream:
        opened.append(MemoryStream(shards))
        return opened[-1]

    def reach(value: bool) -> None:
        for stream in opened:
            stream.reachable = value

    return Backend(open_stream, lambda: reach(False), lambda: reach(True))


@pytest.fixture
def stream(backend: Backend) -> EventStream:
    return backend.open(1)


@pytest.fixture
def on_redis(client: redis.Redis, settings: Settings) -> EventStream:
    """What only Redis or Valkey can do to a stream is tried on this one."""
    return RedisStream(client, settings)


def event(revision: int, user_id: str = "alice") -> Event:
    job = job_value(user_id, revision=revision, attempt=2)
    return Event(revision, EventType.UPDATED, 1234, job)


def tick(percent: int) -> ProgressTick:
    progress = Progress(stage=Stage.GENERATING, percent=percent, message="frame")
    return ProgressTick(user_id="alice", job_id="job", attempt=3, progress=progress)


def revisions(rows: list[StreamRow]) -> list[int]:
    return [row.revision for row in rows]


async def test_events_and_progress_arrive_whole_and_in_order(stream: EventStream) -> None:
    async with reading(stream) as (_, reader):
        first, second = event(1), event(2)
        stream.publish(first)
        stream.publish_progress(tick(40))
        stream.publish(second)

        told, progress, last = await reader.rows(3)

    assert (told.kind, told.user_id, told.revision) == (JOB_KIND, "alice", 1)
    assert (told.job_id, told.attempt) == (first.job.job_id, 2)
    assert event_from_json(told.revision, json.loads(told.payload)) == first
    assert (progress.kind, progress.revision, progress.attempt) == ("progress", 0, 3)
    assert progress_from_json(json.loads(progress.payload)) == tick(40).progress
    assert event_from_json(last.revision, json.loads(last.payload)) == second


async def test_many_events_keep_their_order(stream: EventStream) -> None:
    async with reading(stream) as (_, reader):
        for revision in range(1, 1201):
            stream.publish(event(revision))
        assert revisions(await reader.rows(1200)) == list(range(1, 1201))


async def test_a_tail_begins_at_the_end(stream: EventStream) -> None:
    stream.publish(event(1))
    async with reading(stream) as (_, reader):
        stream.publish(event(2))
        assert revisions(await reader.rows(1)) == [2]


async def test_after_a_quiet_second_there_is_an_empty_batch(stream: EventStream) -> None:
    async with reading(stream) as (_, reader):
        assert await reader.batch() == []


@pytest.mark.parametrize(
    "garbage",
    [
        {"unknown": "fields"},
        {"kind": "job"},
        {
            **{"kind": "job", "user": "alice", "revision": "many", "job": "j"},
            **{"attempt": "1", "payload": "{}"},
        },
        {
            **{"kind": b"\xff\xfe", "user": "alice", "revision": "1", "job": "j"},
            **{"attempt": "1", "payload": "{}"},
        },
    ],
)
async def test_garbage_is_passed_over(
    client: redis.Redis, on_redis: EventStream, garbage: dict[str | bytes, str | bytes]
) -> None:
    async with reading(on_redis) as (_, reader):
        on_redis.publish(event(1))
        client.xadd(stream_key(0), garbage)  # type: ignore[arg-type]
        on_redis.publish(event(2))
        assert revisions(await reader.rows(2)) == [1, 2]


async def test_the_stream_stays_short(
    client: redis.Redis, on_redis: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.telling.stream.MAX_ENTRIES", 100)
    for percent in range(1000):
        on_redis.publish_progress(tick(percent % 100))
    assert 100 <= client.xlen(stream_key(0)) <= 300


async def test_after_a_wipe_the_tail_reads_on(valkey: Valkey, on_redis: EventStream) -> None:
    async with reading(on_redis) as (_, reader):
        on_redis.publish(event(1))
        assert revisions(await reader.rows(1)) == [1]
        valkey.flush()
        on_redis.publish(event(2))
        assert revisions(await reader.rows(1)) == [2]


async def test_a_forgotten_position_brings_a_deaf_tail_back(
    client: redis.Redis, valkey: Valkey, on_redis: EventStream
) -> None:
    # Given a tail whose position is of a clock that was far ahead, and a wipe
    async with reading(on_redis) as (tail, reader):
        client.xadd(stream_key(0), {"from": "the future"}, id="9999999999999-0")
        assert await reader.batch() == []
        valkey.flush()
        on_redis.publish(event(1))
        assert await reader.batch() == []  # deaf

        # When it forgets its position
        tail.forget_position()

        # Then it hears what comes from now on
        assert await reader.batch() == []
        on_redis.publish(event(2))
        assert revisions(await reader.rows(1)) == [2]


@pytest.mark.parametrize(
    "address",
    [
        "unix://reader:secret@{socket}?db=3",
        # What only the library's own client understands.
        "unix://reader:secret@{socket}?db=3&health_check_interval=7",
    ],
)
async def test_a_tail_signs_in_and_reads_the_database_that_its_address_names(
    client: redis.Redis, valkey: Valkey, address: str
) -> None:
    client.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all")
    settings = read_settings(redis_url=address.format(socket=valkey.socket))
    with connect(settings) as known:
        stream = RedisStream(known, settings)
        async with reading(stream) as (_, reader):
            RedisStream(client, settings).publish(event(1))  # into another database
            stream.publish(event(2))
            stream.publish(event(3))
            assert revisions(await reader.rows(2)) == [2, 3]


async def test_a_tail_with_a_wrong_password_says_that_it_can_not_read(valkey: Valkey) -> None:
    settings = read_settings(redis_url=f"unix://nobody:wrong@{valkey.socket}")
    tail = RedisStream(redis.Redis(), settings).tail(0)
    with pytest.raises(DependencyUnavailable):
        await anext(tail.batches())
    await tail.close()


async def test_a_tail_knows_whether_it_has_read_everything(stream: EventStream) -> None:
    async with reading(stream) as (tail, reader):
        # Given rows that nobody reads yet
        before = time.monotonic()
        stream.publish(event(1))
        assert not tail.has_read(before)
        assert not tail.is_idle

        # When they are read and nothing more comes, then the tail has all, and is idle
        await reader.rows(1)
        waiting = asyncio.create_task(reader.batch())
        await wait_for_async(lambda: tail.has_read(before) and tail.is_idle)
        assert await waiting == []


async def test_a_forgotten_position_is_the_streams_end(stream: EventStream) -> None:
    async with reading(stream) as (tail, reader):
        stream.publish(event(1))
        tail.forget_position()
        # What was read before the position was forgotten may come first.
        while await reader.batch():
            pass
        stream.publish(event(2))
        assert revisions(await reader.rows(1))[-1] == 2


async def test_each_shard_carries_its_own_users(backend: Backend) -> None:
    shards, users = 4, [f"user-{number}" for number in range(40)]
    stream = backend.open(shards)
    told: dict[int, list[str]] = {}
    for shard in range(shards):
        mine = [user for user in users if stream.shard_of(user) == shard]
        async with reading(stream, shard) as (_, reader):
            for user in users:
                stream.publish(event(1, user))
            told[shard] = [row.user_id for row in await reader.rows(len(mine))]
            assert told[shard] == mine
    assert all(told.values())
    assert sorted(user for names in told.values() for user in names) == sorted(users)


async def test_a_user_stays_in_its_shard_whatever_the_process() -> None:
    # A constant of the installation: hash() differs from process to process.
    assert [shard_of(user, 8) for user in ("alice", "bob", "")] == [7, 0, 0]


async def test_a_lost_stream_is_told_and_the_next_call_goes_on(
    backend: Backend, stream: EventStream
) -> None:
    tail = stream.tail(0)
    async with aclosing(tail.batches()) as batches:  # type: ignore[type-var]
        await Reader(batches).batch()
        backend.lose()
        with pytest.raises(DependencyUnavailable):
            await Reader(batches).rows(1)
    backend.regain()

    tail.forget_position()
    async with aclosing(tail.batches()) as batches:  # type: ignore[type-var]
        reader = Reader(batches)
        assert await reader.batch() == []
        stream.publish(event(7))
        assert revisions(await reader.rows(1)) == [7]
    await tail.close()


async def test_a_tail_that_is_cancelled_ends(stream: EventStream) -> None:
    async with reading(stream) as (_, reader):
        task = asyncio.create_task(reader.rows(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    "tell", [lambda s: s.publish(event(1)), lambda s: s.publish_progress(tick(1))]
)
async def test_telling_a_stream_that_is_gone_says_so(
    backend: Backend, stream: EventStream, tell: Callable[[EventStream], None]
) -> None:
    backend.lose()
    with pytest.raises(DependencyUnavailable):
        tell(stream)


async def test_what_threads_publish_wakes_a_tail_that_waits(stream: EventStream) -> None:
    async with reading(stream) as (_, reader):
        waiting = asyncio.create_task(reader.rows(100))
        await asyncio.gather(
            *(asyncio.to_thread(stream.publish, event(number)) for number in range(1, 101))
        )
        assert sorted(revisions(await waiting)) == list(range(1, 101))


@pytest.mark.parametrize(
    "failure",
    [
        redis.ConnectionError(),
        redis.TimeoutError(),
        redis.ResponseError("WRONGTYPE"),
        redis.exceptions.BusyLoadingError(),
        RedisClusterException("no node"),
        dramatiq.BrokerConnectionError("gone"),
        OSError(),
    ],
)
async def test_no_error_of_a_client_gets_past_the_seam(failure: Exception) -> None:
    with (
        pytest.raises(DependencyUnavailable),
        reaching("job queue", dramatiq.BrokerConnectionError),
    ):
        raise failure
