"""The job queue: a Dramatiq message is a wake-up ("a job waits in queue q") and never the truth.

A worker that is woken claims the first job by turn, so a lost or a repeated message does no harm.

Keys: all are under Dramatiq's namespace `{rushes}`; the braces keep them on one node of a cluster.
`{rushes}:<queue>` lists the messages that no worker took yet. `{rushes}:<queue>:wake` has an entry
for each new message.
"""

import time
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed

from core.telling.stream import reaching

NAMESPACE = "{rushes}"
ACTOR = "run_next"
HEARTBEAT_MS = 15_000
# Dramatiq's maintenance returns a dead worker's messages. It runs by chance with a command; here it
# runs with every one.
ALWAYS = 1_000_000
MAX_WAKES = 64
BUSY_SECONDS = 0.02


class WakingConsumer(_RedisConsumer):
    """Waits for the next message. Dramatiq's own consumer polls (up to 0.5 s late, 5 % CPU).

    The base class is private, so dramatiq is pinned and a contract test runs this class.
    """

    def __next__(self) -> Any:
        full = self.outstanding_message_count >= self.prefetch
        if not full:
            # Without misses the base class pauses for a few milliseconds only.
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
    """A Redis broker whose consumers wait."""

    @property
    def consumer_class(self) -> type[WakingConsumer]:
        """The class that takes messages off a queue."""
        return WakingConsumer


def wake_key(queue: str) -> str:
    """The key of the list on which a consumer waits."""
    return f"{NAMESPACE}:{queue}:wake"


def open_broker(client: redis.Redis) -> WakingBroker:
    """The broker. It has no middleware, because the database keeps retries and time limits.

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
    """Wakes workers up."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    def wake(self, queue: str) -> None:
        """Says that a job waits in the queue, unless many wake-ups wait there already.

        Those are enough: a worker wakes another one at its end, and the rescuer tops up.

        Raises:
            DependencyUnavailable: when the queue can't be reached.
        """
        if self.size(queue) >= MAX_WAKES:
            return
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=queue, actor_name=ACTOR, args=(queue,), kwargs={}, options={}
        )
        with reaching("job queue", dramatiq.BrokerConnectionError):
            self._broker.enqueue(message)
            with self._broker.client.pipeline(transaction=False) as pipe:
                pipe.rpush(wake_key(queue), 1)
                pipe.ltrim(wake_key(queue), -MAX_WAKES, -1)
                pipe.execute()

    def size(self, queue: str) -> int:
        """How many wake-ups of the queue no worker has taken yet.

        This is not the broker's own count, which has what dead workers took for HEARTBEAT_MS.

        Raises:
            DependencyUnavailable: when the queue can't be reached.
        """
        with reaching("job queue"):
            size: int = self._broker.client.llen(f"{NAMESPACE}:{queue}")
        return size
