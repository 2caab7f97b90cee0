"""The job queue: Dramatiq messages as wake-ups ("a job waits in queue q"), never as the truth.

Keys: all under Dramatiq's namespace `{rushes}`; the braces keep them on one node of a cluster. A
lost or a repeated message means nothing: a worker claims the first job by turn.
"""

from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

NAMESPACE = "{rushes}"
ACTOR = "run_next"
HEARTBEAT_MS = 15_000
# Dramatiq returns a dead worker's messages by maintenance, by chance per command: always.
ALWAYS = 1_000_000


def open_broker(client: redis.Redis) -> RedisBroker:
    """The broker, with no middleware: retries and time limits are the database's."""
    return RedisBroker(
        client=client,
        namespace=NAMESPACE,
        middleware=[],
        maintenance_chance=ALWAYS,
        heartbeat_timeout=HEARTBEAT_MS,
    )


class JobQueue:
    """Wakes workers up; raises what `core.tell.TELL_ERRORS` lists when that fails."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    def wake(self, queue: str) -> None:
        """Says that a job waits in the queue."""
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=queue, actor_name=ACTOR, args=(queue,), kwargs={}, options={}
        )
        self._broker.enqueue(message)

    def size(self, queue: str) -> int:
        """How many wake-ups of the queue no worker has taken yet.

        Not the broker's own count: that holds what dead workers took, for HEARTBEAT_MS.
        """
        size: int = self._broker.client.llen(f"{NAMESPACE}:{queue}")
        return size
