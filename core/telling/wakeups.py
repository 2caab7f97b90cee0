"""The job queue: Dramatiq messages as wake-ups ("a job waits in queue q"), never as the truth.

Keys: all under Dramatiq's namespace `{rushes}`; the braces keep them on one node of a cluster.
`{rushes}:<queue>` lists what no worker took yet, `{rushes}:<queue>:wake` has an entry per new one.
A lost or a repeated message means nothing: a worker claims the first job by turn.
"""

import time
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed

NAMESPACE = "{rushes}"
ACTOR = "run_next"
HEARTBEAT_MS = 15_000
# Dramatiq returns a dead worker's messages by maintenance, by chance per command: always.
ALWAYS = 1_000_000
MAX_WAKES = 64
BUSY_SECONDS = 0.02


class WakingConsumer(_RedisConsumer):
    """Waits for the next message, where Dramatiq's own asks again and again (0.5 s late, 5 % CPU).

    The base class is private: dramatiq is pinned, and a contract test runs it.
    """

    def __next__(self) -> Any:
        full = self.outstanding_message_count >= self.prefetch
        if not full:
            # Its own pause is a few milliseconds then.
            self.misses = 0
        message = super().__next__()
        if message is None and full:
            time.sleep(BUSY_SECONDS)
        elif message is None:
            self._wait()
        return message

    def _wait(self) -> None:
        try:
            self.broker.client.blpop([wake_key(self.queue_name)], self.timeout / 1000)
        except redis.TimeoutError:
            return
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None


class WakingBroker(RedisBroker):
    """Redis broker whose consumers wait."""

    @property
    def consumer_class(self) -> type[WakingConsumer]:
        """What takes messages off a queue."""
        return WakingConsumer


def wake_key(queue: str) -> str:
    """The key of the list that a waiting consumer sleeps on."""
    return f"{NAMESPACE}:{queue}:wake"


def open_broker(client: redis.Redis) -> WakingBroker:
    """The broker, with no middleware: retries and time limits are the database's.

    A worker's client must allow a reply to take longer than the consumer waits.
    """
    return WakingBroker(
        client=client,
        namespace=NAMESPACE,
        middleware=[],
        maintenance_chance=ALWAYS,
        heartbeat_timeout=HEARTBEAT_MS,
    )


class JobQueue:
    """Wakes workers up; raises what `core.telling.changes.TELL_ERRORS` lists when that fails."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    def wake(self, queue: str) -> None:
        """Says that a job waits in the queue, unless many wake-ups wait there already.

        That is enough: each run wakes again at its end, and the rescuer tops up.
        """
        if self.size(queue) >= MAX_WAKES:
            return
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=queue, actor_name=ACTOR, args=(queue,), kwargs={}, options={}
        )
        self._broker.enqueue(message)
        with self._broker.client.pipeline(transaction=False) as pipe:
            pipe.rpush(wake_key(queue), 1)
            pipe.ltrim(wake_key(queue), -MAX_WAKES, -1)
            pipe.execute()

    def size(self, queue: str) -> int:
        """How many wake-ups of the queue no worker has taken yet.

        Not the broker's own count: that holds what dead workers took, for HEARTBEAT_MS.
        """
        size: int = self._broker.client.llen(f"{NAMESPACE}:{queue}")
        return size
