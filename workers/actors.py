"""The Dramatiq side of a worker: a message wakes a thread, and `pipeline` does the work."""

import dramatiq
import structlog
from dramatiq.broker import Broker
from dramatiq.worker import Worker

from core.errors import DependencyUnavailable, StorageFull
from core.telling.messages import ACTOR
from workers.runs.pipeline import Pipeline

log = structlog.get_logger()

# How long a consumer waits for a message before it looks whether it shall end.
WAIT_MS = 500


class Listener:
    """The threads that wait for wake-ups and run jobs."""

    def __init__(
        self,
        broker: Broker,
        pipeline: Pipeline,
        queues: tuple[str, ...],
        *,
        threads: int,
        grace_ms: int,
    ) -> None:
        """`grace_ms` is the time in which runs may end after `stop`."""
        declare_actors(broker, pipeline, queues)
        self._grace_ms = grace_ms
        self._worker = Worker(
            broker, queues=set(queues), worker_threads=threads, worker_timeout=WAIT_MS
        )
        # A prefetch above the number of threads would hide jobs from idle workers.
        self._worker.queue_prefetch = threads

    def start(self) -> None:
        """Starts the threads."""
        self._worker.start()

    def stop(self) -> None:
        """Does nothing: a closing pipeline claims no job, so a wake-up does no harm.

        `Worker.pause` would wait for what runs, and make the consumers sleep for 3 s.
        """

    def close(self) -> None:
        """Ends the threads, after at most `grace_ms`."""
        self._worker.stop(timeout=self._grace_ms)


def declare_actors(broker: Broker, pipeline: Pipeline, queues: tuple[str, ...]) -> None:
    """Makes every queue's messages run the next jobs of that queue."""

    def run_next(queue: str) -> None:
        try:
            pipeline.run_queue(queue)
        except (DependencyUnavailable, StorageFull) as error:
            # The job waits in the database. The rescuer wakes a worker when that is back.
            log.warning("claim_failed", queue=queue, error=type(error).__name__)

    dramatiq.actor(actor_name=ACTOR, queue_name=queues[0], broker=broker)(run_next)
    for queue in queues[1:]:
        broker.declare_queue(queue)
