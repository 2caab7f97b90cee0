"""Jobs beside other queues on the same no-op, and what a killed worker loses.

Run it from the repository: `.venv/bin/python -m bench.jobs [--part speed]`.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.harness import command
from bench.harness.report import metric, times
from bench.harness.results import Row, Run, row_of
from bench.installation import DATABASES
from bench.jobs import kill, speed
from bench.peers.queues import CELERY_LATE, QUEUES
from bench.peers.systems import missing, versions

OURS = "rushes on {}"
BASE = OURS.format("postgres")
SPEED = [
    metric("jobs/s", "jobs_per_s"),
    times("of ours on PostgreSQL", "jobs_per_s", BASE),
    metric("enqueued/s", "enqueued_per_s"),
    metric("CPU ms/job", "cpu_ms", 2),
]
KILL = [
    metric("missing", "missing"),
    metric("begun again", "begun_again"),
    metric("done again", "done_again"),
    metric("last one done, s after", "again_s"),
]
Measure = Callable[[], dict[str, float]]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__, repetitions=2)
    parser.add_argument("--part", action="append", choices=["speed", "kill"])
    parser.add_argument("--jobs", type=int, default=1000, help="no-ops of a repetition")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    asked = parser.parse_args()
    parts = asked.part or ["speed", "kill"]
    if why := missing():
        print(why)
    run = command.begin(**versions())
    if "speed" in parts:
        command.finish("jobs", _speed(asked, run), SPEED, asked.write)
    if "kill" in parts:
        command.finish("jobs-killed", _kill(run), KILL, asked.write)


def _speed(asked: argparse.Namespace, run: Run) -> list[Row]:
    count, processes = asked.jobs, asked.workers
    systems: dict[str, Measure] = {
        OURS.format(name): partial(speed.ours, name, count, processes) for name in DATABASES
    }
    if not missing():
        systems |= {queue.name: partial(speed.peer, queue, count, processes) for queue in QUEUES}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for _ in range(asked.repetitions):
        for name, measure in systems.items():
            found[name].append(measure())
    return [row_of(f"no-op, {processes} workers", name, run, each) for name, each in found.items()]


def _kill(run: Run) -> list[Row]:
    """All at once: they mostly wait."""
    systems: dict[str, Measure] = {
        OURS.format(name): partial(kill.ours, name) for name in DATABASES
    }
    if not missing():
        queues = (*QUEUES, CELERY_LATE)
        systems |= {queue.name: partial(kill.peer, queue) for queue in queues}
    with ThreadPoolExecutor(len(systems)) as threads:
        each = dict(
            zip(systems, threads.map(lambda measure: measure(), systems.values()), strict=True)
        )
    return [row_of("worker killed -9", name, run, [values]) for name, values in each.items()]


if __name__ == "__main__":
    main()
