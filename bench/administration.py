"""How an administrator's watch over all users stays live while 10,000 jobs change.

Run it from the repository: `.venv/bin/python -m bench.administration [--rate 2000] [--jobs 10000]`.
Each user has one unfinished job, and users take turns, so that nearly every change is the first one
of a user whom the watch hears of. The snapshot is measured in quiet and while jobs change, then how
old changes are when they arrive. The last part of a cell's name is how many jobs change a second.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from bench.harness import command
from bench.harness.measure import Values, compare, measure, note_refused
from bench.harness.processes import Died
from bench.harness.report import metric
from bench.harness.results import Row, Run, row_of
from bench.harness.systems import Load, Running, Shape, System
from bench.installation import DATABASES
from bench.systems.everyone import Everyone

JOBS = 10_000
RATES = (500, 2000)
SNAPSHOT_SECONDS = 30.0
# The changes begin so long before the watch does, and the last of them need no longer to arrive.
LEAD_SECONDS = 0.3
BUSY_SECONDS = 3.0
COLUMNS = [
    metric("snapshot, s", "snapshot_s", 2),
    metric("the same while jobs change", "busy_snapshot_s", 2),
    metric("p50 ms", "p50_ms", 1),
    metric("p99 ms", "p99_ms", 1),
    metric("most ms", "most_ms", 1),
    metric("lost", "lost", range=False),
    metric("repeated", "repeated", range=False),
    metric("refused", "refused", range=False),
]
COSTS = [
    metric("server µs/event", "server_us"),
    metric("server, cores", "server_cores", 2),
    metric("database µs", "database_us", range=False),
    metric("bytes", "bytes", range=False),
    metric("published late, ms", "late_ms", range=False),
]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--rate", type=int, action="append", help="instead of the usual ones")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each repetition")
    parser.add_argument("--database", choices=DATABASES, action="append", help="one of both")
    asked = parser.parse_args()
    run = command.begin()
    rows: list[Row] = []
    for database in asked.database or DATABASES:
        loads = {
            f"{asked.jobs:,} jobs on {database}, {rate:,}/s": Load("state", rate, asked.seconds)
            for rate in asked.rate or RATES
        }
        rows += _rows(database, asked.jobs, loads, asked.repetitions, run)
    command.finish("administration", rows, COLUMNS, asked.write, costs=COSTS)


def _rows(
    database: str, jobs: int, loads: dict[str, Load], repetitions: int, run: Run
) -> list[Row]:
    systems: list[System] = [Everyone(database)]
    found = compare(systems, Shape(jobs), loads, repetitions, _measured)
    return [row_of(cell, system, run, each) for (cell, system), each in found.items()]


def _measured(running: Running, load: Load) -> Values:
    """The snapshots, and what a watch that has just begun is told."""
    snapshot = _snapshot(running)
    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(_change, running, load.rate)
        time.sleep(LEAD_SECONDS)
        busy = _snapshot(running)
        publishing.result()
    _snapshot(running)
    return measure(running, load) | {"snapshot_s": snapshot, "busy_snapshot_s": busy}


def _change(running: Running, rate: int) -> None:
    running.publisher.ask(kind="state", rate=rate, seconds=BUSY_SECONDS)


def _snapshot(running: Running) -> float:
    """Seconds from a new watch to its SYNCED."""
    running.client.ask(do="leave")
    got = running.client.ask(
        timeout=SNAPSHOT_SECONDS * 2, do="open", count=1, seconds=SNAPSHOT_SECONDS
    )
    note_refused(got)
    if not got["open"]:
        raise Died("the watch did not become live")
    return float(got["seconds"])


if __name__ == "__main__":
    main()
