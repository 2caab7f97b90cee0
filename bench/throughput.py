"""How many jobs a second go from accepted to SUCCEEDED when making the picture costs nothing.

Run it from the repository: `.venv/bin/python -m bench.throughput [--jobs 1000] [--workers 2]`.
One server process and two worker processes; many users submit over gRPC at once. CPU seconds are
given per role, because on a small machine the client and the database share the cores. Its files
are in TMPDIR. Where that is ext4 without a journal, a new file costs more for some minutes after
many were deleted, for instance those of the last run: wait, or name a folder of its own.
"""

import argparse
import asyncio
import time

import grpc

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.processes import cpu_seconds
from bench.harness.report import Column, metric
from bench.harness.results import row_of
from bench.installation import DATABASES, Installation, installation
from core.process.settings import read_settings
from core.store import Database, open_database
from core.store.engine.sql import Statement
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc

WARM_UP = 50
ROLES = ("server", "workers", "database", "valkey", "client")
COLUMNS = [
    metric("jobs/s", "jobs_per_s"),
    metric("accepted/s", "accepted_per_s"),
    metric("CPU of a job, ms", "together_ms", 1),
]
COSTS: list[Column] = [metric(f"{role}, ms", f"{role}_ms", 2) for role in ROLES]
_DONE = Statement("SELECT count(*) FROM job WHERE state = 'SUCCEEDED'")
_SPAN = Statement(
    "SELECT count(*), max(end_time) - min(create_time), max(create_time) - min(create_time)"
    " FROM (SELECT create_time, end_time FROM job WHERE state = 'SUCCEEDED'"
    " ORDER BY create_time DESC LIMIT :count) jobs"
)


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="jobs of each repetition")
    parser.add_argument("--users", type=int, default=20, help="users who submit them")
    parser.add_argument("--at-once", type=int, default=32, help="calls under way at once")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--database", choices=DATABASES, default="postgres")
    asked = parser.parse_args()
    run = command.begin()
    with installation(asked.database, asked.workers) as running:
        db = open_database(read_settings(database_url=running.database_url))
        run_jobs(running, db, WARM_UP, asked.users, asked.at_once)
        each = [_measured(running, db, asked) for _ in range(asked.repetitions)]
        db.close()
    row = row_of(f"throughput-{asked.database}", "rushes", run, each)
    command.finish("throughput", [row], COLUMNS, asked.write, costs=COSTS)


def _measured(running: Installation, db: Database, asked: argparse.Namespace) -> Values:
    before = _cpu_seconds(running)
    run_jobs(running, db, asked.jobs, asked.users, asked.at_once)
    after = _cpu_seconds(running)
    seconds, accepting = span(db, asked.jobs)
    used = {role: (after[role] - before[role]) * 1000 / asked.jobs for role in after}
    return {f"{role}_ms": milliseconds for role, milliseconds in used.items()} | {
        "jobs_per_s": asked.jobs / seconds,
        "accepted_per_s": asked.jobs / accepting,
        "together_ms": sum(used.values()),
    }


def run_jobs(running: Installation, db: Database, count: int, users: int, at_once: int) -> None:
    """Submits so many jobs and waits until all have SUCCEEDED."""
    done = _count(db) + count
    submit(running, count, users, at_once)
    while _count(db) < done:
        # Seldom: counting costs the database something too, and the jobs say when they ended.
        time.sleep(0.25)


def submit(running: Installation, count: int, users: int, at_once: int) -> None:
    """Submits so many jobs over gRPC, so many calls at once."""
    asyncio.run(_submit(running, count, users, at_once))


def span(db: Database, count: int) -> tuple[float, float]:
    """Of the last jobs: seconds from the first accept to the last end, and to the last accept."""
    row = db.row(_SPAN, count=count)
    assert row is not None
    return row[1] / 1000, row[2] / 1000


async def _submit(running: Installation, count: int, users: int, at_once: int) -> None:
    headers = [(("authorization", f"Bearer {running.token(f'user-{i}')}"),) for i in range(users)]
    request = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a pixel"))
    left = iter(range(count))
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = rpc.MediaServiceStub(channel)

        async def caller() -> None:
            for number in left:
                await stub.GenerateImage(request, metadata=headers[number % users])

        await asyncio.gather(*(caller() for _ in range(at_once)))


def _count(db: Database) -> int:
    row = db.row(_DONE)
    return int(row[0]) if row else 0


def _cpu_seconds(running: Installation) -> dict[str, float]:
    """Of each role so far; children that ended count for their parents."""
    found = dict.fromkeys(ROLES, 0.0)
    for name, process in running.processes.items():
        role = "workers" if name.startswith("worker") else name
        found["database" if role == "postgres" else role] += cpu_seconds(process.pid)
    return found | {"client": time.process_time()}


if __name__ == "__main__":
    main()
