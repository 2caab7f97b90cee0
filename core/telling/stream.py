"""The event stream, by which processes tell each other what happened, fast and without promises.

Keys: `rushes:{<shard>}:events`, a stream per shard of users (crc32 of the user, modulo the shards),
capped at about MAX_ENTRIES. Fields: kind ("event" or "progress"), user, revision, job, attempt,
payload (JSON). Readers find what the stream loses in the database.
"""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from core.errors import DependencyUnavailable, SettingsInvalid
from core.events import Event, ProgressTick
from core.jobs import progress_to_json
from core.process.settings import Settings

MAX_ENTRIES = 20_000
TIMEOUT_SECONDS = 1.0
BLOCK_MS = 1000
READ_COUNT = 500


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One entry: an event or a progress tick, with its payload not yet decoded."""

    kind: str
    user_id: str
    revision: int
    job_id: str
    attempt: int
    payload: bytes


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


class EventStream:
    """Publishes events and progress. Raises redis.RedisError when that fails."""

    def __init__(self, client: redis.Redis, shards: int) -> None:
        self._client = client
        self._shards = shards

    def publish(self, event: Event) -> None:
        """Tells an event of a job."""
        job = event.job
        self._add("event", job.user_id, event.revision, job.job_id, job.attempt, event.payload)

    def publish_progress(self, tick: ProgressTick) -> None:
        """Tells how far a run is."""
        payload = json.dumps(progress_to_json(tick.progress), separators=(",", ":"))
        self._add("progress", tick.user_id, 0, tick.job_id, tick.attempt, payload)

    def _add(
        self,
        kind: str,
        user_id: str,
        revision: int,
        job_id: str,
        attempt: int,
        payload: str,
    ) -> None:
        fields: dict[Any, Any] = {
            "kind": kind,
            "user": user_id,
            "revision": revision,
            "job": job_id,
            "attempt": attempt,
            "payload": payload,
        }
        key = stream_key(shard_of(user_id, self._shards))
        self._client.xadd(key, fields, maxlen=MAX_ENTRIES, approximate=True)


class StreamTail:
    """Reads one shard's stream from its present end, on a connection of its own."""

    def __init__(self, settings: Settings, shard: int) -> None:
        self._key = stream_key(shard)
        self._position: bytes | None = None
        options = {"socket_timeout": BLOCK_MS / 1000 + TIMEOUT_SECONDS}
        cls: Any = redis.asyncio.RedisCluster if settings.redis_cluster else redis.asyncio.Redis
        self._client: Any = cls.from_url(
            settings.redis_url,
            retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
            **options,
        )

    def forget_position(self) -> None:
        """Makes the tail read on from the stream's end.

        After a wipe, a tail at its old position can hear nothing for ever.
        """
        self._position = None

    async def batches(self) -> AsyncIterator[list[StreamRow]]:
        """Batches of rows as they come; an empty batch at the beginning and after a quiet second.

        Raises:
            redis.RedisError, OSError: when the connection is lost; call again to go on.
        """
        while True:
            if self._position is None:
                self._position = await self._end()
                yield []
            read = self._client.xread({self._key: self._position}, READ_COUNT, BLOCK_MS)
            answer = await read
            _raise_if_cancelled()
            rows = []
            for _, entries in _streams(answer):
                for entry_id, fields in entries:
                    self._position = entry_id
                    if (row := _row(fields)) is not None:
                        rows.append(row)
            yield rows

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _end(self) -> bytes:
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
