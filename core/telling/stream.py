"""The event stream tells other processes what happened, fast and without promises.

`EventStream` and `StreamTail` are the seam. This module implements it on Redis or Valkey,
`memory_stream` inside one process. Readers find in the database what a stream loses.

Keys: `rushes:{<shard>}:events`, a stream for each shard of users (crc32 of the user, modulo the
shards), capped at about MAX_ENTRIES. Fields: kind (of a `UserChange`, or "progress"), user,
revision, job, attempt, payload (JSON).
"""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from core.errors import DependencyUnavailable, SettingsInvalid
from core.events import JOB_KIND, Event, ProgressTick
from core.jobs import progress_to_json
from core.process.settings import Settings

# Rows of every other kind are durable changes, each at a revision of its user.
PROGRESS = "progress"
MAX_ENTRIES = 20_000
TIMEOUT_SECONDS = 1.0
BLOCK_MS = 1000
READ_COUNT = 500
# The Redis clients raise these when a command fails.
REDIS_ERRORS = (
    redis.RedisError,
    RedisClusterException,  # this one is no RedisError
    OSError,
)


@dataclass(frozen=True, slots=True)
class StreamRow:
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

    async def close(self) -> None:
        """Closes the tail's connection."""


class EventStream(Protocol):
    """Publishes what happened, from any thread, and opens tails that read it."""

    def publish(self, event: Event) -> None:
        """Tells an event of a job.

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

    def publish(self, event: Event) -> None:
        """Tells an event of a job."""
        self._add(event_row(event))

    def publish_progress(self, tick: ProgressTick) -> None:
        """Tells how far a run is."""
        self._add(progress_row(tick))

    def shard_of(self, user_id: str) -> int:
        """The shard that carries the user's rows."""
        return shard_of(user_id, self._settings.stream_shards)

    def tail(self, shard: int) -> "RedisTail":
        """A tail on a connection of its own."""
        return RedisTail(self._settings, shard)

    def _add(self, row: StreamRow) -> None:
        fields: dict[Any, Any] = {
            "kind": row.kind,
            "user": row.user_id,
            "revision": row.revision,
            "job": row.job_id,
            "attempt": row.attempt,
            "payload": row.payload,
        }
        key = stream_key(self.shard_of(row.user_id))
        with reaching("event stream"):
            self._client.xadd(key, fields, maxlen=MAX_ENTRIES, approximate=True)


class RedisTail:
    """A StreamTail on Redis or Valkey."""

    def __init__(self, settings: Settings, shard: int) -> None:
        self._key = stream_key(shard)
        self._position: bytes | None = None
        cls: Any = redis.asyncio.RedisCluster if settings.redis_cluster else redis.asyncio.Redis
        self._client: Any = cls.from_url(
            settings.redis_url,
            retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
            socket_timeout=BLOCK_MS / 1000 + TIMEOUT_SECONDS,
        )

    def forget_position(self) -> None:
        """Reads on from the stream's end."""
        self._position = None

    async def batches(self) -> AsyncIterator[list[StreamRow]]:
        """Batches of rows as they come."""
        while True:
            if self._position is None:
                self._position = await self._end()
                yield []
            else:
                yield await self._read(self._position)

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _read(self, position: bytes) -> list[StreamRow]:
        with reaching("event stream"):
            answer = await self._client.xread({self._key: position}, READ_COUNT, BLOCK_MS)
        _raise_if_cancelled()
        rows = []
        for _, entries in _streams(answer):
            for entry_id, fields in entries:
                self._position = entry_id
                if (row := _row(fields)) is not None:
                    rows.append(row)
        return rows

    async def _end(self) -> bytes:
        with reaching("event stream"):
            last = await self._client.xrevrange(self._key, count=1)
        return last[0][0] if last else b"0-0"


def _raise_if_cancelled() -> None:
    """Raises a cancellation that redis-py 8.1.0 swallowed, because an answer came with it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _streams(answer: Any) -> list[Any]:
    return list(answer.items()) if isinstance(answer, dict) else list(answer or [])


def _row(fields: dict[bytes, bytes]) -> StreamRow | None:
    """The row; None when the entry is not one of ours, because garbage must not stop the tail."""
    try:
        return StreamRow(
            fields[b"kind"].decode(),
            fields[b"user"].decode(),
            int(fields[b"revision"]),
            fields[b"job"].decode(),
            int(fields[b"attempt"]),
            fields[b"payload"],
        )
    except (KeyError, ValueError):
        return None
