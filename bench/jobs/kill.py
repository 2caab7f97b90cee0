"""What is lost and what is done twice when all worker processes are killed -9 in the middle.

Each job takes half a second. When a quarter is done and another is under way the workers are
killed, and new ones start at once. A job that has not been done so long after is counted as
missing: a queue may still bring it later (Celery after an hour, taskiq after ten minutes), or
never.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis

from bench.installation import Installation, installation
from bench.peers.noop import BEGUN, DONE
from bench.peers.queues import Queue, work
from bench.throughput import submit
from tests.services import wait_for

COUNT, JOB_SECONDS = 40, 0.5
BEFORE_SECONDS, AFTER_SECONDS = 40.0, 100.0
PAUSE_SECONDS = 0.05
Values = dict[str, float]


def peer(queue: Queue) -> Values:
    """One process enqueues, one works and is killed."""
    with work(queue, 1, JOB_SECONDS) as running:
        running.enqueue(COUNT).wait()
        wait_for(lambda: _in_the_middle(*running.said()), queue.name, BEFORE_SECONDS)
        running.kill()
        running.start(1)
        seconds = _after(lambda: running.said()[1])
        return losses(*running.said(), COUNT) | {"again_s": seconds}


def ours(database: str) -> Values:
    """The same with jobs of ours, which take as long in the provider's step."""
    with installation(database, 0, in_memory=True) as running:
        heard: Any = Redis(unix_socket_path=_socket(running))
        submit(running, COUNT, users=4, at_once=4)
        first = _worker(running)
        wait_for(lambda: _in_the_middle(*_said(heard)), "jobs", BEFORE_SECONDS)
        first.kill()
        first.wait()
        second = _worker(running)
        try:
            seconds = _after(lambda: _said(heard)[1])
        finally:
            second.kill()
            second.wait()
        return losses(*_said(heard), COUNT) | {"again_s": seconds}


def losses(begun: Sequence[object], done: Sequence[object], count: int) -> Values:
    """Jobs that are missing, that began more than once, and that were done more than once."""
    return {
        "missing": count - len(set(done)),
        "begun_again": sum(1 for times in Counter(begun).values() if times > 1),
        "done_again": sum(1 for times in Counter(done).values() if times > 1),
    }


def _after(done: Callable[[], Sequence[object]]) -> float:
    """Waits until all are done or it is too late; how long after now the last one was done."""
    begun = moved = time.monotonic()
    count = len(done())
    while len(set(done())) < COUNT and time.monotonic() - begun < AFTER_SECONDS:
        time.sleep(PAUSE_SECONDS)
        if len(done()) > count:
            count, moved = len(done()), time.monotonic()
    return (time.monotonic() if len(set(done())) == COUNT else moved) - begun


def _in_the_middle(begun: Sequence[bytes], done: Sequence[bytes]) -> bool:
    return len(done) >= COUNT // 4 and len(begun) > len(done)


def _said(heard: Any) -> tuple[list[bytes], list[bytes]]:
    return heard.lrange(BEGUN, 0, -1), heard.lrange(DONE, 0, -1)


def _socket(running: Installation) -> str:
    return running.redis_url.removeprefix("unix://")


def _worker(running: Installation) -> "subprocess.Popen[bytes]":
    own = {"BENCH_VALKEY": _socket(running), "BENCH_SECONDS": str(JOB_SECONDS)}
    env = os.environ | running.environment | own
    return subprocess.Popen([sys.executable, "-m", "bench.worker"], env=env)
