"""Wake-ups become runs; what fails in one does not end the worker."""

from collections.abc import Iterator
from queue import Queue

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.worker import Worker

from core.errors import DependencyUnavailable, StorageFull
from core.telling.messages import ACTOR
from workers.actors import declare_actors

QUEUES = ("video", "image")


class Pipeline:
    """Keeps which queues it was asked to run."""

    def __init__(self) -> None:
        self.asked: Queue[str] = Queue()
        self.failure: Exception | None = None

    def run_queue(self, queue: str) -> None:
        self.asked.put(queue)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture
def broker(pipeline: Pipeline) -> Iterator[StubBroker]:
    made = StubBroker(middleware=[])
    declare_actors(made, pipeline, QUEUES)  # type: ignore[arg-type]
    yield made
    made.close()


def wake(broker: StubBroker, queue: str) -> None:
    broker.enqueue(
        dramatiq.Message(queue_name=queue, actor_name=ACTOR, args=(queue,), kwargs={}, options={})
    )


def test_there_is_one_actor_and_all_queues(broker: StubBroker) -> None:
    assert list(broker.actors) == [ACTOR]
    assert set(QUEUES) <= broker.get_declared_queues()


def test_a_message_of_each_queue_runs_that_queue(broker: StubBroker, pipeline: Pipeline) -> None:
    worker = Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    try:
        for queue in ("image", "video", "image"):
            wake(broker, queue)
            assert pipeline.asked.get(timeout=20) == queue
    finally:
        worker.stop()


@pytest.mark.parametrize("failure", [DependencyUnavailable("database"), StorageFull()])
def test_a_claim_that_is_not_possible_now_is_no_failure_of_the_actor(
    broker: StubBroker, pipeline: Pipeline, failure: Exception
) -> None:
    pipeline.failure = failure
    broker.get_actor(ACTOR)("video")
    assert pipeline.asked.get_nowait() == "video"


def test_a_bug_is_not_hidden(broker: StubBroker, pipeline: Pipeline) -> None:
    pipeline.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        broker.get_actor(ACTOR)("video")
