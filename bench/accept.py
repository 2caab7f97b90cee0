"""How many jobs one server process accepts with 50 calls at once, beside what the database allows.

Run it from the repository: `.venv/bin/python -m bench.accept`. No worker runs; files are in TMPDIR.
The floor of PostgreSQL is a bare loop in as many threads as the server has. It sends as many
statements in as many round trips and commits as an accept does, counted in a server of this
process, to one table and one row of its own for each thread. The floor of SQLite is the rate at
which one thread can append 4 KB to a file and wait for the disk. In neither floor do several share
a commit. A third system is a call of the same server that has no work, with as many callers.
"""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psycopg2
from google.protobuf.message import Message
from redis import Redis

from bench.harness import command
from bench.harness.processes import cpu_seconds
from bench.harness.report import metric, times
from bench.harness.results import Row, Run, percentile, row_of
from bench.installation import DATABASES, Installation, installation
from core.process.settings import read_settings
from core.process.telemetry import configure_logging
from core.store import open_database
from core.store.engine.sql import Statement
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from server.app import ServerApp

AT_ONCE = 50
WARM_UP = 200
COUNTED = 5
FLOOR_CALLS = 3000
LOCK = "UPDATE bench_floor SET number = number + 1 WHERE place = %(place)s RETURNING number"
READ = "SELECT number FROM bench_floor WHERE place = %(place)s"
INSERT = "INSERT INTO bench_floor_log (data) VALUES (repeat('x', 500))"
TABLES = """
    CREATE TABLE IF NOT EXISTS bench_floor (place INTEGER PRIMARY KEY, number BIGINT NOT NULL);
    CREATE TABLE IF NOT EXISTS bench_floor_log (id BIGSERIAL PRIMARY KEY, data TEXT NOT NULL);
    INSERT INTO bench_floor SELECT place, 0 FROM generate_series(0, %(rows)s) place
        ON CONFLICT DO NOTHING
"""
FLOOR_SECONDS = 3.0
PAGE = b"x" * 4096
REQUEST = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a pixel"))
NO_WORK = pb.ListPromptTemplatesRequest()
SYSTEMS = ("rushes", "floor", "a call without work")
# The jobs of one transaction have one time, and one process makes one transaction at a time.
COMMITS = Statement("""
    SELECT count(DISTINCT create_time) FROM (
        SELECT create_time FROM job ORDER BY create_time DESC LIMIT :count
    ) jobs
""")
COLUMNS = [
    metric("accepts/s", "per_s"),
    times("of the floor", "per_s"),
    metric("p50 ms", "p50_ms", 1),
    metric("p99 ms", "p99_ms", 1),
]
COSTS = [
    metric("statements", "statements", range=False),
    metric("round trips", "trips", range=False),
    metric("commits", "commits", range=False),
    metric("accepts a commit", "shared", 1, range=False),
    metric("Valkey commands", "valkey_commands", 1, range=False),
    metric("server CPU ms", "server_ms", 2, range=False),
    metric("database CPU ms", "database_ms", 2, range=False),
]
Values = dict[str, float]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__, repetitions=2)
    parser.add_argument("--accepts", type=int, default=1500, help="accepts of a repetition")
    asked = parser.parse_args()
    found = rows(asked.accepts, asked.repetitions, command.begin())
    command.finish("accept", found, COLUMNS, asked.write, costs=COSTS)


def rows(count: int, repetitions: int, run: Run) -> list[Row]:
    """A row of each system for each database."""
    found: list[Row] = []
    for database in DATABASES:
        with installation(database, 0) as running:
            batches = asyncio.run(_statements(running))
            asyncio.run(_accept(running, WARM_UP))
            pairs = [_measured(running, count, batches) for _ in range(repetitions)]
        cell = f"accept on {database}, {AT_ONCE} at once"
        for system, each in zip(SYSTEMS, zip(*pairs, strict=True), strict=True):
            found.append(row_of(cell, system, run, each))
    return found


def _measured(running: Installation, count: int, batches: Sequence[str]) -> tuple[Values, ...]:
    """Ours, the floor and calls without work, one right after the other."""
    postgres = "postgres" in running.processes
    floor = _postgres_floor(running, batches) if postgres else _disk_floor(running.data)
    idle = _calls(running, count, lambda: _accept(running, count, "ListPromptTemplates", NO_WORK))
    commands = _commands(running)
    ours = _calls(running, count, lambda: _accept(running, count))
    ours |= {
        "valkey_commands": (_commands(running) - commands) / count,
        "shared": count / _commits(running, count),
    }
    counted = shape(batches)
    if not postgres:
        counted = {"statements": counted["statements"]}
    return ours | counted, floor, idle


def _calls(
    running: Installation, count: int, call: Callable[[], Coroutine[Any, Any, list[float]]]
) -> Values:
    """The rate and the ages of so many calls, and the CPU of each."""
    before, begun = _cpu(running), time.perf_counter()
    ages = sorted(asyncio.run(call()))
    seconds = time.perf_counter() - begun
    used = {f"{role}_ms": (s - before[role]) * 1000 / count for role, s in _cpu(running).items()}
    return used | {
        "per_s": count / seconds,
        "p50_ms": percentile(ages, 0.5) * 1000,
        "p99_ms": percentile(ages, 0.99) * 1000,
    }


def _commits(running: Installation, count: int) -> int:
    """In how many transactions the last jobs were accepted."""
    db = open_database(read_settings(database_url=running.database_url))
    row = db.row(COMMITS, count=count)
    db.close()
    assert row is not None
    return int(row[0])


def shape(batches: Sequence[str]) -> Values:
    """How many statements, round trips and commits these texts are, each sent in one.

    A text outside of BEGIN and COMMIT is a transaction of its own.
    """
    statements = commits = 0
    inside = False
    for batch in batches:
        texts = _texts(batch)
        begins, ends = "BEGIN" in texts, "COMMIT" in texts
        statements += len(texts) - begins - ends
        commits += ends or not (inside or begins)
        inside = (inside or begins) and not ends
    return {"statements": statements, "trips": len(batches), "commits": commits}


def mirror(batches: Sequence[str]) -> list[str]:
    """The same in bare statements: one locks a row, those sent with COMMIT insert, others read."""
    found = []
    for batch in batches:
        texts = _texts(batch)
        usual = INSERT if "COMMIT" in texts else READ
        bare = [text if text in ("BEGIN", "COMMIT") else usual for text in texts]
        if bare[0] == "BEGIN":
            bare[1] = LOCK
        found.append("; ".join(bare))
    return found


def _texts(batch: str) -> list[str]:
    texts = [text.strip() for text in batch.split(";")]
    return [text.split()[0] if text.startswith("BEGIN") else text for text in texts if text]


async def _statements(running: Installation) -> list[str]:
    """What one accept sends to the database, each text in a round trip."""
    address = running.address + ".counted"
    names = {
        name.removeprefix("RUSHES_").lower(): v
        for name, v in running.environment.items()
        if name.startswith("RUSHES_")
    }
    configure_logging("ERROR", "server")
    app = ServerApp(read_settings(**(names | {"grpc_listen": address})))
    await app.start()
    sent: list[list[str]] = []
    database: Any = app.db.peewee
    execute = database.execute_sql

    def counted(sql: str, *values: Any) -> Any:
        sent[-1].append(sql)
        return execute(sql, *values)

    database.execute_sql = counted
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rpc.MediaServiceStub(channel)
        for _ in range(COUNTED):
            sent.append([])
            await stub.GenerateImage(REQUEST, metadata=_headers(running, 0))
    await app.stop()
    # The first ones prepare statements, and now and then the server compares revisions.
    return min(sent, key=len)


async def _accept(
    running: Installation, count: int, method: str = "GenerateImage", request: Message = REQUEST
) -> list[float]:
    """Seconds of each call."""
    headers = [_headers(running, place) for place in range(AT_ONCE)]
    async with grpc.aio.insecure_channel(running.address) as channel:
        send = getattr(rpc.MediaServiceStub(channel), method)

        async def call(caller: int) -> None:
            await send(request, metadata=headers[caller])

        return await _callers(call, count)


async def _callers(call: Callable[[int], Awaitable[None]], count: int) -> list[float]:
    """Seconds of each of so many calls, AT_ONCE under way."""
    left, ages = iter(range(count)), []

    async def caller(place: int) -> None:
        for _ in left:
            begun = time.perf_counter()
            await call(place)
            ages.append(time.perf_counter() - begun)

    await asyncio.gather(*(caller(place) for place in range(AT_ONCE)))
    return ages


def _headers(running: Installation, place: int) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {running.token(f'user-{place}')}"),)


def _postgres_floor(running: Installation, batches: Sequence[str]) -> Values:
    """The bare loop, in as many threads as the server has, with as many callers."""
    settings = read_settings(database_url=running.database_url)
    with psycopg2.connect(running.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES, {"rows": AT_ONCE})
    connection.close()
    own = threading.local()
    texts = mirror(batches)

    def work(place: int) -> None:
        if not hasattr(own, "connection"):
            own.connection = psycopg2.connect(running.database_url)
            own.connection.autocommit = True
        with own.connection.cursor() as cursor:
            for text in texts:
                cursor.execute(text, {"place": place})

    threads = min(settings.server_threads, settings.database_connections)
    with ThreadPoolExecutor(threads) as pool:

        async def run() -> list[float]:
            loop = asyncio.get_running_loop()

            async def call(place: int) -> None:
                await loop.run_in_executor(pool, work, place)

            return await _callers(call, FLOOR_CALLS)

        begun = time.perf_counter()
        ages = sorted(asyncio.run(run()))
        seconds = time.perf_counter() - begun
    return {
        "per_s": FLOOR_CALLS / seconds,
        "p50_ms": percentile(ages, 0.5) * 1000,
        "p99_ms": percentile(ages, 0.99) * 1000,
    } | shape(batches)


def _disk_floor(folder: Path) -> Values:
    """Appends that wait for the disk, in the folder of the database."""
    count, path = 0, folder / "floor"
    with path.open("wb", buffering=0) as file:
        ends = time.perf_counter() + FLOOR_SECONDS
        while time.perf_counter() < ends:
            file.write(PAGE)
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return {"per_s": count / FLOOR_SECONDS}


def _cpu(running: Installation) -> Values:
    roles = {"server": "server", "postgres": "database"}
    return {
        roles[name]: cpu_seconds(process.pid)
        for name, process in running.processes.items()
        if name in roles
    }


def _commands(running: Installation) -> int:
    with Redis(unix_socket_path=running.redis_url.removeprefix("unix://")) as valkey:
        info: Any = valkey.info("stats")
    return int(info["total_commands_processed"])


if __name__ == "__main__":
    main()
