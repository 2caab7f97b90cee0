"""The job of every queue: it says that it began, takes its time, and says that it is done.

BENCH_VALKEY is the socket of the Valkey that hears it (lists `bench:begun` and `bench:done`), and
BENCH_SECONDS how long a job takes. One that takes no time says only that it is done, so that the
queues are compared and not this.
"""

import contextlib
import os
import time
from collections.abc import Iterator

from redis import Redis

BEGUN, DONE = "bench:begun", "bench:done"
FIRST, LAST = "bench:first", "bench:last"  # when the first job was enqueued, and the last
SOCKET = os.environ.get("BENCH_VALKEY", "")
SECONDS = float(os.environ.get("BENCH_SECONDS", 0))
valkey: Redis = Redis(unix_socket_path=SOCKET)


def run(number: str) -> None:
    """The job, for a queue that runs jobs in threads or processes."""
    if SECONDS:
        valkey.rpush(BEGUN, number)
        time.sleep(SECONDS)
    valkey.rpush(DONE, number)


@contextlib.contextmanager
def enqueueing() -> Iterator[None]:
    """Notes when the first job is enqueued and when the last one was."""
    valkey.set(FIRST, time.time())
    yield
    valkey.set(LAST, time.time())
