"""The Dramatiq actors: a message is a wake-up, the work is in `pipeline`."""

import dramatiq
import structlog
from dramatiq.broker import Broker

from core.errors import DependencyUnavailable, StorageFull
from core.telling.wakeups import ACTOR
from workers.runs.pipeline import Pipeline

log = structlog.get_logger()


def declare_actors(broker: Broker, pipeline: Pipeline, queues: tuple[str, ...]) -> None:
    """Makes every queue's messages run the next jobs of that queue."""

    def run_next(queue: str) -> None:
        try:
            pipeline.run_queue(queue)
        except (DependencyUnavailable, StorageFull) as error:
            # The job waits in the database; the rescuer wakes somebody when that is back.
            log.warning("claim_failed", queue=queue, error=type(error).__name__)

    dramatiq.actor(actor_name=ACTOR, queue_name=queues[0], broker=broker)(run_next)
    for queue in queues[1:]:
        broker.declare_queue(queue)
