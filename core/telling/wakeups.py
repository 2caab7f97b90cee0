"""The job queue: a Dramatiq message is a wake-up ("a job waits in queue q") and never the truth.

A worker that is woken claims the first job by turn, so a lost or a repeated message does no harm.
`messages` has the keys and the messages.
"""

import time
from typing import Any

import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed

from core.telling.messages import NAMESPACE, add_wake_ups, queue_key, wake_key
from core.telling.stream import reaching

HEARTBEAT_MS = 15_000
# Dramatiq's maintenance returns a dead worker's messages. It runs by chance with a command; here it
# runs with every one.
ALWAYS = 1_000_000
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

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def wake(self, queue: str) -> None:
        """Says that a job waits in the queue, unless many wake-ups wait there already.

        Those are enough: a worker wakes another one at its end, and the rescuer tops up.

        Raises:
            DependencyUnavailable: when the queue can't be reached.
        """
        with reaching("job queue"):
            add_wake_ups(self._client, queue)

    def size(self, queue: str) -> int:
        """How many wake-ups of the queue no worker has taken yet.

        This is not the broker's own count, which has what dead workers took for HEARTBEAT_MS.

        Raises:
            DependencyUnavailable: when the queue can't be reached.
        """
        with reaching("job queue"):
            size: int = self._client.llen(queue_key(queue))
        return size
