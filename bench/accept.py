"""How many jobs a second one server process accepts, beside what its round trips and commits cost.

Run it from the repository: `.venv/bin/python -m bench.accept [--database sqlite] [--at-once 50]`.
Callers submit over gRPC, each its next job as soon as the last one is accepted; no worker runs. The
floor is measured in each repetition, on the same disk: a bare loop commits a row for each accept.
On PostgreSQL it has as many connections as a server process, and the round trips of an accept with
its place. Files are in TMPDIR. A caller waits at least `at-once` / (accepts a second) on average.
"""

import argparse
import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import grpc
import psycopg2

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.processes import cpu_seconds
from bench.harness.report import Column, metric
from bench.harness.results import row_of
from bench.installation import DATABASES, Installation, installation
from core.process.settings import read_settings
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc

WARM_UP_SECONDS = 2.0
ROLES = ("server", "database", "valkey", "client")
COLUMNS = [
    metric("accepts/s", "accepts_per_s"),
    metric("p50, ms", "p50_ms", 1),
    metric("p99, ms", "p99_ms", 1),
    metric("commits/s of the floor", "floor_per_s"),
    metric("share of the floor", "share", 2),
]
COSTS: list[Column] = [metric(f"{role}, ms", f"{role}_ms", 2) for role in ROLES]
# About as much as the rows of a job and of its event.
ROW = "x" * 1500

Loop = Callable[[Callable[[], None], float], None]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each repetition")
    parser.add_argument("--users", type=int, default=1000, help="users who submit")
    parser.add_argument("--at-once", type=int, default=50, help="calls under way at once")
    parser.add_argument("--request-ids", action="store_true", help="each with a request_id")
    parser.add_argument("--database", choices=DATABASES, default="postgres")
    asked = parser.parse_args()
    run = command.begin()
    with installation(asked.database, 0) as running:
        asyncio.run(_accept(running, asked, WARM_UP_SECONDS))
        each = [_measured(running, asked) for _ in range(asked.repetitions)]
    ids = "-ids" if asked.request_ids else ""
    row = row_of(f"accept-{asked.database}-{asked.at_once}{ids}", "rushes", run, each)
    command.finish("accept", [row], COLUMNS, asked.write, costs=COSTS)


def _measured(running: Installation, asked: argparse.Namespace) -> Values:
    before = _cpu_seconds(running)
    times = asyncio.run(_accept(running, asked, asked.seconds))
    after, count = _cpu_seconds(running), len(times)
    rate, floor = count / asked.seconds, _floor(running, asked.seconds / 2)
    return {f"{role}_ms": (after[role] - before[role]) * 1000 / count for role in ROLES} | {
        "accepts_per_s": rate,
        "p50_ms": times[count // 2] * 1000,
        "p99_ms": times[int(count * 0.99)] * 1000,
        "floor_per_s": floor,
        "share": rate / floor,
    }


async def _accept(running: Installation, asked: argparse.Namespace, seconds: float) -> list[float]:
    """The time of each accept in seconds, sorted."""
    tokens = [running.token(f"user-{number}") for number in range(asked.users)]
    headers = [(("authorization", f"Bearer {token}"),) for token in tokens]
    times: list[float] = []
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = rpc.MediaServiceStub(channel)
        until = time.perf_counter() + seconds

        async def caller(number: int) -> None:
            while (begun := time.perf_counter()) < until:
                number += asked.at_once
                await stub.GenerateImage(_request(asked), metadata=headers[number % asked.users])
                times.append(time.perf_counter() - begun)

        await asyncio.gather(*(caller(number) for number in range(asked.at_once)))
    return sorted(times)


def _request(asked: argparse.Namespace) -> pb.GenerateImageRequest:
    request = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a pixel"))
    if asked.request_ids:
        request.options.request_id = os.urandom(16).hex()
    return request


def _floor(running: Installation, seconds: float) -> float:
    """Commits a second of the bare loop."""
    url = running.database_url
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///")).with_name("floor.db")
        return _rate(_sqlite_loop(path), 1, seconds)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bare (text TEXT)")
    return _rate(_postgres_loop(url), read_settings().database_connections, seconds)


def _postgres_loop(url: str) -> Loop:
    def loop(count: Callable[[], None], until: float) -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while time.perf_counter() < until:
                cursor.execute("BEGIN; SELECT 1")
                cursor.execute("INSERT INTO bare VALUES (%s); COMMIT", (ROW,))
                cursor.execute("SELECT 1")
                count()

    return loop


def _sqlite_loop(path: Path) -> Loop:
    def loop(count: Callable[[], None], until: float) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE IF NOT EXISTS bare (text TEXT)")
            while time.perf_counter() < until:
                connection.execute("INSERT INTO bare VALUES (?)", (ROW,))
                count()

    return loop


def _rate(loop: Loop, threads: int, seconds: float) -> float:
    counts = [0] * threads
    until = time.perf_counter() + seconds

    def run(index: int) -> None:
        def count() -> None:
            counts[index] += 1

        loop(count, until)

    running = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(counts) / seconds


def _cpu_seconds(running: Installation) -> dict[str, float]:
    """Of each role so far; children that ended count for their parents."""
    found = dict.fromkeys(ROLES, 0.0)
    for name, process in running.processes.items():
        found["database" if name == "postgres" else name] += cpu_seconds(process.pid)
    return found | {"client": time.process_time()}


if __name__ == "__main__":
    main()
