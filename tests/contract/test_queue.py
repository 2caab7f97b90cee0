"""Wake-ups through Dramatiq, on a real Valkey."""

import queue
import threading
from collections.abc import Iterator

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.worker import Worker

from core.errors import DependencyUnavailable
from core.process.settings import Settings
from core.telling.messages import ACTOR, MAX_WAKES
from core.telling.stream import connect
from core.telling.wakeups import JobQueue, open_broker
from tests.services import Valkey, wait_for


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as made:
        yield made


@pytest.fixture
def jobs(client: redis.Redis) -> JobQueue:
    return JobQueue(client)


@pytest.fixture
def woken(client: redis.Redis) -> Iterator["queue.Queue[str]"]:
    """What a worker of the video queue was woken for."""
    heard: queue.Queue[str] = queue.Queue()
    worker = listening(open_broker(client), heard)
    worker.start()
    yield heard
    worker.stop(timeout=5000)


def listening(broker: RedisBroker, heard: "queue.Queue[str]") -> Worker:
    dramatiq.actor(actor_name=ACTOR, queue_name="video", broker=broker)(heard.put)
    return Worker(broker, queues={"video"}, worker_threads=1, worker_timeout=20)


def test_wake_ups_wait_until_a_worker_takes_them(jobs: JobQueue) -> None:
    assert jobs.size("video") == 0
    for _ in range(3):
        jobs.wake("video")
    jobs.wake("image")
    assert (jobs.size("video"), jobs.size("image"), jobs.size("other")) == (3, 1, 0)


def test_more_wake_ups_than_help_are_not_queued(jobs: JobQueue) -> None:
    for _ in range(MAX_WAKES + 3):
        jobs.wake("video")
    jobs.wake("image")
    assert (jobs.size("video"), jobs.size("image")) == (MAX_WAKES, 1)


def test_a_worker_gets_each_wake_up_of_its_queue(jobs: JobQueue, woken: "queue.Queue[str]") -> None:
    jobs.wake("image")
    for _ in range(3):
        jobs.wake("video")

    assert [woken.get(timeout=20) for _ in range(3)] == ["video"] * 3
    wait_for(lambda: jobs.size("video") == 0, "the queue to be empty")
    assert jobs.size("image") == 1


def test_a_wake_up_of_another_process_is_heard(
    settings: Settings, woken: "queue.Queue[str]"
) -> None:
    with connect(settings) as other:
        JobQueue(other).wake("video")
        assert woken.get(timeout=20) == "video"


def test_a_wiped_valkey_loses_wake_ups_and_takes_new_ones(
    jobs: JobQueue, valkey: Valkey, woken: "queue.Queue[str]"
) -> None:
    jobs.wake("video")
    assert woken.get(timeout=20) == "video"
    valkey.flush()
    assert jobs.size("video") == 0
    jobs.wake("video")
    assert woken.get(timeout=20) == "video"


def test_a_broken_actor_is_not_asked_again_for_the_same_wake_up(
    client: redis.Redis, jobs: JobQueue
) -> None:
    calls: queue.Queue[str] = queue.Queue()
    broker = open_broker(client)

    def fail(name: str) -> None:
        calls.put(name)
        raise ZeroDivisionError

    dramatiq.actor(actor_name=ACTOR, queue_name="video", broker=broker)(fail)
    worker = Worker(broker, queues={"video"}, worker_threads=1, worker_timeout=20)
    worker.start()
    try:
        for _ in range(2):
            jobs.wake("video")
        assert [calls.get(timeout=20) for _ in range(2)] == ["video"] * 2
        wait_for(lambda: not unacked(client), "both to be settled")
        assert jobs.size("video") == 0
        assert calls.empty()
    finally:
        worker.stop(timeout=5000)


def unacked(client: redis.Redis) -> int:
    keys = client.keys("{rushes}:*acks*")
    return sum(client.scard(key) for key in keys)


def test_a_valkey_that_is_gone_says_so(valkey: Valkey, jobs: JobQueue) -> None:
    valkey.kill()
    with pytest.raises(DependencyUnavailable):
        jobs.wake("video")
    with pytest.raises(DependencyUnavailable):
        jobs.size("video")


def test_a_worker_leaves_no_thread(client: redis.Redis) -> None:
    before = set(threading.enumerate())
    worker = listening(open_broker(client), queue.Queue())
    worker.start()
    worker.stop(timeout=5000)
    wait_for(lambda: set(threading.enumerate()) <= before, "the threads to end")
