"""The event stream tells other processes what happened, fast and without promises.

`EventStream` and `StreamTail` are the seam. This module implements it on Redis or Valkey,
`memory_stream` inside one process. Readers find in the database what a stream loses.

Keys: `rushes:{<shard>}:events`, a stream for each shard of users (crc32 of the user, modulo the
shards), capped at about MAX_ENTRIES, and where entries are large at about MAX_BYTES. Fields: kind
(of a `UserChange`, or "progress"), user, revision, job, attempt, payload (JSON).
"""

import asyncio
import contextlib
import json
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from core.errors import DependencyUnavailable, SettingsInvalid
from core.events import JOB_KIND, Event, ProgressTick, UserChange
from core.jobs import progress_to_json
from core.process.settings import Settings
from core.telling.messages import add_delivery_wake_up, add_wake_ups
from core.telling.reads import READ_COUNT, TIMEOUT_SECONDS, Reads

# Rows of every other kind are durable changes, each at a revision of its user.
PROGRESS = "progress"
MAX_ENTRIES = 20_000
# So many entries of one size may be there as have this many bytes together. With entries of many
# sizes it may be a few times as much, because a small one does not drive large ones out.
MAX_BYTES = 32 * 1024 * 1024
_NAMES = [b"kind", b"user", b"revision", b"job", b"attempt", b"payload"]
# How long a tail that found rows lets others gather before it reads again.
JOIN_SECONDS = 0.003
# Redis answers a read sooner if there is something to give.
ANSWER_SECONDS = 0.05
# The Redis clients raise these when a command fails.
REDIS_ERRORS = (
    redis.RedisError,
    RedisClusterException,  # this one is no RedisError
    OSError,
)


class StreamRow(NamedTuple):
    """One entry: a durable change or a progress tick, with its payload not yet decoded."""

    kind: str
    user_id: str
    revision: int
    job_id: str
    attempt: int
    payload: bytes


class StreamTail(Protocol):
    """Reads one shard's stream from its present end on."""

    def forget_position(self) -> None:
        """Makes the tail read on from the stream's end.

        After a wipe, a tail at its old position can hear nothing for ever.
        """

    def batches(self) -> AsyncIterator[list[StreamRow]]:
        """Batches of rows as they come; an empty batch at the beginning and after a quiet second.

        Raises:
            DependencyUnavailable: when the stream can't be reached; call again to go on.
        """

    @property
    def is_idle(self) -> bool:
        """Whether the last read found nothing, or a read waits in vain."""

    def has_read(self, until: float) -> bool:
        """Whether everything is read that was told before `until` (of `time.monotonic`)."""

    async def close(self) -> None:
        """Closes the tail's connection."""


class EventStream(Protocol):
    """Publishes what happened, from any thread, and opens tails that read it."""

    def publish(self, event: Event, wakes: str = "") -> None:
        """Tells an event of a job, and wakes a worker of the queue `wakes` in the same round trip.
        Where its change has made deliveries to webhooks, that wakes a worker for them too.

        Raises:
            DependencyUnavailable: when the stream can't be reached.
        """

    def publish_all(self, told: Sequence[tuple[Event, str]]) -> None:
        """Tells events in their order, each with the queue that it wakes, in one round trip.

        Raises:
            DependencyUnavailable: when the stream can't be reached.
        """

    def publish_change(self, change: UserChange) -> None:
        """Tells a change that is about no job.

        Raises:
            DependencyUnavailable: when the stream can't be reached.
        """

    def publish_progress(self, tick: ProgressTick) -> None:
        """Tells how far a run is.

        Raises:
            DependencyUnavailable: when the stream can't be reached.
        """

    def shard_of(self, user_id: str) -> int:
        """The shard that carries the user's rows."""

    def tail(self, shard: int) -> StreamTail:
        """A new tail of the shard. The caller closes it."""


def event_row(event: Event) -> StreamRow:
    """The row that tells a state change."""
    job, payload = event.job, event.payload.encode()
    return StreamRow(JOB_KIND, job.user_id, event.revision, job.job_id, job.attempt, payload)


def change_row(change: UserChange) -> StreamRow:
    """The row that tells a change that is about no job."""
    payload = change.payload.encode()
    return StreamRow(change.kind, change.user_id, change.revision, change.job_id, 0, payload)


def progress_row(tick: ProgressTick) -> StreamRow:
    """The row that tells how far a run is."""
    payload = json.dumps(progress_to_json(tick.progress), separators=(",", ":")).encode()
    return StreamRow(PROGRESS, tick.user_id, 0, tick.job_id, tick.attempt, payload)


@contextlib.contextmanager
def reaching(dependency: str, *errors: type[Exception]) -> Iterator[None]:
    """Raises DependencyUnavailable in place of what the Redis clients raise, or of `errors`."""
    expected: tuple[type[Exception], ...] = (*REDIS_ERRORS, *errors)
    try:
        yield
    except expected as error:
        raise DependencyUnavailable(dependency) from error


def connect(settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS) -> redis.Redis:
    """A client with short timeouts. It does not retry by itself, which could repeat what was done.

    Raises:
        SettingsInvalid: when the address makes no sense.
        DependencyUnavailable: when no node of a cluster can be reached; one server may be down.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    cls: Any = redis.RedisCluster if settings.redis_cluster else redis.Redis
    try:
        client: redis.Redis = cls.from_url(settings.redis_url, **options)
    except ValueError:
        raise SettingsInvalid("RUSHES_REDIS_URL: the address or its options are wrong") from None
    except RedisClusterException as error:
        raise DependencyUnavailable("Redis cluster") from error
    return client


def stream_key(shard: int) -> str:
    """The key of a shard's stream; the braces keep it on one node of a cluster."""
    return f"rushes:{{{shard}}}:events"


def shard_of(user_id: str, shards: int) -> int:
    """The shard whose stream carries the user's events."""
    return zlib.crc32(user_id.encode()) % shards


class RedisStream:
    """An EventStream on Redis or Valkey. It publishes with `client`; each tail has a connection."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def publish(self, event: Event, wakes: str = "") -> None:
        """Tells an event of a job, and wakes a worker of the queue `wakes` in the same round trip.

        On a cluster, that is one to each of the two nodes at the same time.
        """
        self.publish_all([(event, wakes)])

    def publish_all(self, told: Sequence[tuple[Event, str]]) -> None:
        """Tells events in their order, each with the queue that it wakes, in one round trip."""
        with reaching("event stream"), self._client.pipeline(transaction=False) as pipe:
            for event, _ in told:
                self._add(pipe, event_row(event))
            for queue, count in Counter(wakes for _, wakes in told if wakes).items():
                add_wake_ups(pipe, queue, count)
            if any(event.deliveries for event, _ in told):
                add_delivery_wake_up(pipe)
            pipe.execute()

    def publish_change(self, change: UserChange) -> None:
        """Tells a change that is about no job."""
        if not change.deliveries:
            with reaching("event stream"):
                self._add(self._client, change_row(change))
            return
        with reaching("event stream"), self._client.pipeline(transaction=False) as pipe:
            self._add(pipe, change_row(change))
            add_delivery_wake_up(pipe)
            pipe.execute()

    def publish_progress(self, tick: ProgressTick) -> None:
        """Tells how far a run is."""
        with reaching("event stream"):
            self._add(self._client, progress_row(tick))

    def shard_of(self, user_id: str) -> int:
        """The shard that carries the user's rows."""
        return shard_of(user_id, self._settings.stream_shards)

    def tail(self, shard: int) -> "RedisTail":
        """A tail on a connection of its own."""
        return RedisTail(self._settings, shard)

    def _add(self, client: redis.Redis, row: StreamRow) -> None:
        fields: dict[Any, Any] = {
            "kind": row.kind,
            "user": row.user_id,
            "revision": row.revision,
            "job": row.job_id,
            "attempt": row.attempt,
            "payload": row.payload,
        }
        key = stream_key(self.shard_of(row.user_id))
        fit = MAX_BYTES // max(len(row.payload), 1)
        client.xadd(key, fields, maxlen=min(fit, MAX_ENTRIES), approximate=True)


class RedisTail:
    """A StreamTail on Redis or Valkey.

    It reads at most every JOIN_SECONDS, because a read costs as much as several of its rows. What
    comes after a pause is read at once.
    """

    def __init__(self, settings: Settings, shard: int) -> None:
        self._position: bytes | None = None
        self._reads = Reads(settings, stream_key(shard))
        self._progress = ReadProgress()

    @property
    def is_idle(self) -> bool:
        """Whether the last read found nothing, or a read waits in vain."""
        return self._progress.is_idle

    def has_read(self, until: float) -> bool:
        """Whether everything is read that was told before `until`."""
        return self._progress.has_read(until)

    def forget_position(self) -> None:
        """Reads on from the stream's end."""
        self._position = None

    async def batches(self) -> AsyncIterator[list[StreamRow]]:
        """Batches of rows as they come."""
        while True:
            if self._position is None:
                self._position = await self._end()
                yield []
                continue
            rows = await self._read(self._position)
            yield rows
            if rows:
                await asyncio.sleep(JOIN_SECONDS)

    async def close(self) -> None:
        """Closes the connection."""
        await self._reads.close()

    async def _read(self, position: bytes) -> list[StreamRow]:
        self._progress.begin()
        with reaching("event stream"):
            entries = await self._reads.after(position)
        self._progress.end(len(entries))
        if entries and self._position is not None:
            self._position = entries[-1][0]
        rows = (_row(fields) for _, fields in entries)
        return [row for row in rows if row is not None]

    async def _end(self) -> bytes:
        with reaching("event stream"):
            return await self._reads.end()


class ReadProgress:
    """How far a tail has come: what it has surely read, by the clock of `time.monotonic`."""

    def __init__(self) -> None:
        self._found_nothing = False
        # Since when a read waits for rows. Where there are some, it does not wait.
        self._asked_at = float("inf")
        # When a read last gave all there was.
        self._had_all_at = float("-inf")

    def begin(self) -> None:
        """A read begins, from where the last one ended."""
        self._asked_at = time.monotonic()

    def end(self, count: int) -> None:
        """A read gave so many rows, of READ_COUNT at most."""
        if count < READ_COUNT:
            self._had_all_at = self._asked_at
        self._asked_at = float("inf")
        self._found_nothing = not count

    @property
    def is_idle(self) -> bool:
        """Whether the last read found nothing, or a read waits in vain."""
        return self._found_nothing or self._waits

    def has_read(self, until: float) -> bool:
        """Whether everything is read that was told before `until`."""
        return self._had_all_at >= until or self._waits

    @property
    def _waits(self) -> bool:
        return self._asked_at + ANSWER_SECONDS < time.monotonic()


def _row(entry: Any) -> StreamRow | None:
    """The row; None when the entry is not one of ours, because garbage must not stop the tail."""
    if isinstance(entry, list) and entry[::2] != _NAMES:
        # In another order, or with more: another version may have written it.
        entry = dict(zip(entry[::2], entry[1::2], strict=False))
    try:
        values = entry[1::2] if isinstance(entry, list) else [entry[name] for name in _NAMES]
        kind, user, revision, job, attempt, payload = values
        return StreamRow(
            kind.decode(), user.decode(), int(revision), job.decode(), int(attempt), payload
        )
    except (KeyError, ValueError):
        return None
