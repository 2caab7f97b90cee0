"""How long an accepted job waits until it starts, while nothing else happens.

Run it from the repository: `.venv/bin/python -m bench.start [--jobs 100] [--database postgres]`.
One job after the other goes through a real server and a real worker process, on each database.
Both times are the database's: of the row that was accepted, and of the state change to RUNNING.
"""

import random
import statistics
import time

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.report import metric
from bench.harness.results import percentile, row_of
from bench.installation import DATABASES, Installation, installation
from rushes import Client

WARM_UP = 10
COLUMNS = [
    metric("median ms", "median_ms"),
    metric("p99 ms", "p99_ms"),
    metric("most ms", "most_ms"),
    metric("jobs", "jobs"),
]


def main() -> None:
    """Prints a line for each database."""
    parser = command.options(__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="jobs of each repetition")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--database", choices=DATABASES, action="append", help="instead of both")
    asked = parser.parse_args()
    run = command.begin()
    rows = []
    for database in asked.database or DATABASES:
        with installation(database, asked.workers) as running:
            each = [_waits(running, asked.jobs) for _ in range(asked.repetitions)]
        rows.append(row_of(f"start-{database}", "rushes", run, each))
    command.finish("start", rows, COLUMNS, asked.write)


def _waits(running: Installation, count: int) -> Values:
    """From accepted to started."""
    with Client(running.address, token=running.token("alice")) as client:
        waits = [_wait(client) for _ in range(WARM_UP + count)]
    ordered = sorted(waits[WARM_UP:])
    return {
        "median_ms": statistics.median(ordered),
        "p99_ms": percentile(ordered, 0.99),
        "most_ms": ordered[-1],
        "jobs": count,
    }


def _wait(client: Client) -> int:
    # A worker that looks every so often must not be met at the same moment of its round.
    time.sleep(random.uniform(0.02, 0.15))
    job = client.wait(client.generate_image("a pixel").job_id)
    return int(job.start_time.ToMilliseconds() - job.create_time.ToMilliseconds())


if __name__ == "__main__":
    main()
