"""The peers that run jobs, each with the same number of worker processes around a Valkey."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from bench.peers.noop import BEGUN, DONE, FIRST, LAST
from bench.peers.systems import FOLDER, PYTHON
from tests.services import Valkey, valkey_binary


@dataclass(frozen=True, slots=True)
class Queue:
    """How a queue is worked for and filled. `worker` takes the number of its processes."""

    name: str
    module: str
    worker: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


QUEUES = (
    Queue("bullmq", "", ()),
    Queue(
        "celery",
        "celery_jobs",
        ("celery", "-q", "-A", "bench.peers.celery_jobs", "worker", "-l", "ERROR", "-c"),
    ),
    Queue(
        "taskiq",
        "taskiq_jobs",
        ("taskiq", "worker", "bench.peers.taskiq_jobs:broker", "--log-level", "ERROR", "-w"),
    ),
    Queue("dramatiq", "dramatiq_jobs", ("dramatiq", "bench.peers.dramatiq_jobs", "-t", "8", "-p")),
)
CELERY_LATE = Queue("celery, acks_late", "celery_jobs", QUEUES[1].worker, {"BENCH_LATE": "1"})


class Work:
    """A queue that runs: its Valkey, its worker processes, and what its jobs said."""

    def __init__(self, queue: Queue, valkey: Valkey, seconds: float) -> None:
        self.name = queue.name
        self._queue = queue
        self.valkey = valkey
        self._heard: Any = Redis(unix_socket_path=str(valkey.socket))
        own = {"BENCH_VALKEY": str(valkey.socket), "BENCH_SECONDS": str(seconds)}
        path = f"{PYTHON.parent}:{os.environ['PATH']}"
        self._env = os.environ | own | queue.env | {"PATH": path}
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, processes: int) -> None:
        """Starts the worker processes."""
        node = ["node", str(FOLDER / "bullmq_jobs.mjs")]
        each = (
            [node] * processes
            if not self._queue.module
            else [[*self._queue.worker, str(processes)]]
        )
        self.workers = [self._run(command) for command in each]

    def enqueue(self, count: int) -> "subprocess.Popen[bytes]":
        """Starts a process that enqueues so many jobs."""
        if not self._queue.module:
            return self._run(["node", str(FOLDER / "bullmq_jobs.mjs"), str(count)])
        return self._run([str(PYTHON), "-m", f"bench.peers.{self._queue.module}", str(count)])

    def done(self) -> int:
        """How often a job ended."""
        return int(self._heard.llen(DONE))

    def enqueued(self) -> tuple[float, float]:
        """When the first job was enqueued and when the last one was, in Unix time."""
        first, last = self._heard.mget(FIRST, LAST)
        return float(first), float(last)

    def said(self) -> tuple[list[bytes], list[bytes]]:
        """The jobs that began and those that ended, as often as they did."""
        return self._heard.lrange(BEGUN, 0, -1), self._heard.lrange(DONE, 0, -1)

    def kill(self) -> None:
        """Ends the worker processes with SIGKILL, all at once."""
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()

    def _run(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        quiet = subprocess.DEVNULL  # Celery warns of root, Dramatiq tells that it starts
        return subprocess.Popen(
            command, env=self._env, start_new_session=True, stdout=quiet, stderr=quiet
        )


@contextlib.contextmanager
def work(queue: Queue, processes: int, seconds: float = 0) -> Iterator[Work]:
    """Started, with an empty queue; ended with everything that it started."""
    with tempfile.TemporaryDirectory(prefix="rushes-queue-") as folder:
        valkey = Valkey(valkey_binary(), Path(folder))
        valkey.start()
        running = Work(queue, valkey, seconds)
        try:
            running.start(processes)
            yield running
        finally:
            running.kill()
            valkey.kill()
