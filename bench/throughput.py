"""How many jobs a second go from accepted to SUCCEEDED when making the picture costs nothing.

Run it from the repository: `.venv/bin/python -m bench.throughput [--jobs 2000] [--workers 2]`.
One server process and two worker processes; many users submit over gRPC at once. CPU seconds are
given per role, because on a small machine the client and the database share the cores. Its files
are in TMPDIR. Where that is ext4 without a journal, a new file costs more for some minutes after
many were deleted, for instance those of the last run: wait, or name a folder of its own.
"""

import argparse
import asyncio
import os
import time

import grpc

from bench.harness.processes import cpu_seconds
from bench.installation import DATABASES, Installation, installation
from core.process.settings import read_settings
from core.store import Database, open_database
from core.store.engine.sql import Statement
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc

TARGET = 300
WARM_UP = 50
_DONE = Statement("SELECT count(*) FROM job WHERE state = 'SUCCEEDED'")
_SPAN = Statement(
    "SELECT count(*), max(end_time) - min(create_time), max(create_time) - min(create_time)"
    " FROM (SELECT create_time, end_time FROM job WHERE state = 'SUCCEEDED'"
    " ORDER BY create_time DESC LIMIT :count) jobs"
)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="jobs to run")
    parser.add_argument("--users", type=int, default=20, help="users who submit them")
    parser.add_argument("--at-once", type=int, default=32, help="calls under way at once")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--database", choices=DATABASES, default="postgres")
    asked = parser.parse_args()
    with installation(asked.database, asked.workers) as running:
        settings = read_settings(database_url=running.database_url)
        db = open_database(settings)
        _run(running, db, WARM_UP, asked)
        before = _cpu_seconds(running)
        _run(running, db, asked.jobs, asked)
        after = _cpu_seconds(running)
        _report(db, asked.jobs, {role: after[role] - before[role] for role in after})
        db.close()


def _run(running: Installation, db: Database, count: int, asked: argparse.Namespace) -> None:
    done = _count(db) + count
    asyncio.run(_submit(running, count, asked.users, asked.at_once))
    while _count(db) < done:
        # Seldom: counting costs the database something too, and the jobs say when they ended.
        time.sleep(0.25)


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


def _report(db: Database, count: int, cpu: dict[str, float]) -> None:
    row = db.row(_SPAN, count=count)
    assert row is not None
    _, span_ms, accepting_ms = (int(value) for value in row)
    rate = count * 1000 / span_ms
    each = ", ".join(f"{role} {seconds * 1000 / count:.2f}" for role, seconds in cpu.items())
    print(
        f"{db.dialect.value:8} {count} jobs in {span_ms / 1000:.1f} s: {rate:.0f} jobs/s"
        f" ({rate / TARGET:.2f} of {TARGET}), accepted {count * 1000 / accepting_ms:.0f}/s,"
        f" load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    print(f"CPU, ms per job: {each}; together {sum(cpu.values()) * 1000 / count:.2f}")


def _cpu_seconds(running: Installation) -> dict[str, float]:
    """Of each process so far, by role; children that ended count for their parents."""
    found = {name: cpu_seconds(process.pid) for name, process in running.processes.items()}
    found["client"] = time.process_time()
    return found


if __name__ == "__main__":
    main()
