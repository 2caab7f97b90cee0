"""How long an accepted job waits until it starts, while nothing else happens.

Run it from the repository: `.venv/bin/python -m bench.start [--jobs 200] [--database postgres]`.
One job after the other goes through a real server and a real worker process, on each database.
Both times are the database's: of the row that was accepted, and of the state change to RUNNING.
"""

import argparse
import os
import random
import statistics
import time

from bench.installation import DATABASES, Installation, installation
from rushes import Client

TARGET_MEDIAN_MS, TARGET_P99_MS = 20, 100
WARM_UP = 10


def main() -> None:
    """Prints a line for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200, help="jobs to measure")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--database", choices=DATABASES, action="append", help="instead of both")
    asked = parser.parse_args()
    for database in asked.database or DATABASES:
        with installation(database, asked.workers) as running:
            _report(database, _waits(running, asked.jobs))


def _waits(running: Installation, count: int) -> list[int]:
    """Milliseconds from accepted to started, sorted."""
    with Client(running.address, token=running.token("alice")) as client:
        waits = [_wait(client) for _ in range(WARM_UP + count)]
    return sorted(waits[WARM_UP:])


def _wait(client: Client) -> int:
    # A worker that looks every so often must not be met at the same moment of its round.
    time.sleep(random.uniform(0.02, 0.15))
    job = client.wait(client.generate_image("a pixel").job_id)
    return int(job.start_time.ToMilliseconds() - job.create_time.ToMilliseconds())


def _report(database: str, waits: list[int]) -> None:
    median, p99 = statistics.median(waits), waits[int(len(waits) * 0.99)]
    kept = "kept" if median <= TARGET_MEDIAN_MS and p99 <= TARGET_P99_MS else "MISSED"
    print(
        f"{database:8} {len(waits)} jobs, accepted to started: median {median:.0f} ms, "
        f"p99 {p99} ms, most {waits[-1]} ms (load {os.getloadavg()[0]:.1f}); "
        f"{TARGET_MEDIAN_MS} and {TARGET_P99_MS} ms are {kept}"
    )


if __name__ == "__main__":
    main()
