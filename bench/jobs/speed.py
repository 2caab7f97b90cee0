"""How many no-op jobs a second go from enqueued to done, with the same number of worker processes.

What counts as done is what each system has: of ours, the database says that the job SUCCEEDED; the
others' jobs say it in a list of Valkey. CPU is that of the workers and of all that stands between
them and the caller; the caller's own is not counted.
"""

import time

from bench.harness.processes import cpu_seconds
from bench.installation import Installation, installation
from bench.peers.queues import Queue, Work, work
from bench.throughput import WARM_UP, run_jobs, span
from core.process.settings import read_settings
from core.store import open_database

Values = dict[str, float]
USERS, CALLS_AT_ONCE = 20, 32
PAUSE_SECONDS = 0.005
MOST_SECONDS = 60.0


def ours(database: str, count: int, processes: int) -> Values:
    """Jobs over gRPC through a server process, on files in memory so that no disk is compared."""
    with installation(database, processes, in_memory=True) as running:
        db = open_database(read_settings(database_url=running.database_url))
        run_jobs(running, db, WARM_UP, USERS, CALLS_AT_ONCE)
        before = _cpu(running)
        run_jobs(running, db, count, USERS, CALLS_AT_ONCE)
        used = _cpu(running) - before
        seconds, accepting = span(db, count)
        db.close()
    return _values(count, seconds, accepting, used)


def peer(queue: Queue, count: int, processes: int) -> Values:
    """Jobs from one process that enqueues as fast as the library does."""
    with work(queue, processes) as running:
        _drain(running, WARM_UP)
        before = _peer_cpu(running)
        ended = _drain(running, count)
        used = _peer_cpu(running) - before
        first, last = running.enqueued()
    return _values(count, ended - first, last - first, used)


def _drain(running: Work, count: int) -> float:
    """Enqueues so many and waits until they are done; gives when that was."""
    done = running.done() + count
    caller = running.enqueue(count)
    deadline = time.time() + MOST_SECONDS
    while running.done() < done:
        if time.time() > deadline:
            raise TimeoutError(f"{running.name} did not end {count} jobs in {MOST_SECONDS:.0f} s")
        time.sleep(PAUSE_SECONDS)
    ended = time.time()
    caller.wait()
    return ended


def _values(count: int, seconds: float, accepting: float, cpu: float) -> Values:
    return {
        "jobs_per_s": count / seconds,
        "enqueued_per_s": count / accepting,
        "cpu_ms": cpu * 1000 / count,
    }


def _cpu(running: Installation) -> float:
    return sum(cpu_seconds(process.pid) for process in running.processes.values())


def _peer_cpu(running: Work) -> float:
    assert running.valkey.process is not None
    return sum(cpu_seconds(one.pid) for one in (*running.workers, running.valkey.process))
