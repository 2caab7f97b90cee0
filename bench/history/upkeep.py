"""What an accept waits while a worker's upkeep goes on beside it.

`python -m bench.history.upkeep DAYS` is the process that does the upkeep, until its input ends. It
is the product's own code without its pauses between the rounds. It forgets what is older than DAYS,
empties the bin, indexes libraries, mends flows and counts statistics.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from bench.harness.client import lines, say
from bench.harness.processes import Child, cpu_seconds, python
from bench.harness.results import percentile
from bench.history.databases import execute
from bench.installation import Installation
from core.blobs import open_blobs
from core.ids import new_id
from core.process.keys import read_or_make_key
from core.process.settings import read_settings
from core.store import open_database
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from workers.providers.kept import open_kept
from workers.upkeep.housekeeper import Housekeeper
from workers.upkeep.indexer import Indexer
from workers.upkeep.statistics import Statistics

RATE = 50
ROUND_SECONDS = 0.05
TABLES = ("job", "job_event", "media")
# The first so many items of the bin have been there for long enough.
DUE = """
    UPDATE media SET purge_time = 0 WHERE media_id IN (
        SELECT media_id FROM media WHERE purge_time > 0 ORDER BY purge_time LIMIT 200
    )
"""
Values = dict[str, float]


def beside(running: Installation, url: str, seconds: float, days: int | None) -> Values:
    """Latency of accepts at RATE, beside the upkeep that forgets what is so many days old.

    With None there is no upkeep.
    """
    if days is None:
        return asyncio.run(_accepts(running, seconds))
    execute(url, DUE)
    before = _counts(url)
    with _upkeep(running, days) as child:
        spent = cpu_seconds(child.pid)
        found = asyncio.run(_accepts(running, seconds))
        cores = (cpu_seconds(child.pid) - spent) / seconds
    removed = {name: before[name] - count for name, count in _counts(url).items()}
    accepted = RATE * seconds
    return found | {
        "jobs_per_s": (removed["job"] + accepted) / seconds,
        "changes_per_s": (removed["job_event"] + accepted) / seconds,
        "items_per_s": removed["media"] / seconds,
        "upkeep_cores": cores,
    }


@contextmanager
def _upkeep(running: Installation, days: int) -> Iterator[Child]:
    child = Child(python("bench.history.upkeep", str(days)), running.environment)
    try:
        child.hello()
        yield child
    finally:
        child.end()


async def _accepts(running: Installation, seconds: float) -> Values:
    """Accepts at a fixed rate. Each counts from the moment when it was due."""
    request = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a pixel"))
    ages: list[float] = []
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        users = [(("authorization", f"Bearer {running.token(f'beside-{n}')}"),) for n in range(50)]
        await stub.GenerateImage(request, metadata=users[0])
        begun = time.perf_counter() + 0.1

        async def accept(number: int, headers: tuple[tuple[str, str], ...]) -> None:
            due = begun + number / RATE
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            await stub.GenerateImage(request, metadata=headers)
            ages.append(time.perf_counter() - due)

        async with asyncio.TaskGroup() as group:
            for number in range(int(RATE * seconds)):
                group.create_task(accept(number, users[number % len(users)]))
    ages.sort()
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "most_ms": 1.0}
    return {name: percentile(ages, share) * 1000 for name, share in shares.items()}


def _counts(url: str) -> dict[str, int]:
    return {name: int(execute(url, f"SELECT count(*) FROM {name}")[0][0]) for name in TABLES}


async def _serve(days: int) -> None:
    settings = read_settings()
    db = open_database(settings)
    blobs = open_blobs(settings, read_or_make_key(settings.signing_key_path))
    kept, name, most = open_kept(settings, blobs), new_id(), settings.user_concurrency
    parts = [
        Housekeeper(db, blobs, kept, name, days, most, round_seconds=ROUND_SECONDS),
        Indexer(db, name, round_seconds=ROUND_SECONDS),
        Statistics(db, name),
    ]
    for part in parts:
        part.start()
    say({})
    await (await lines()).read()
    for part in parts:
        part.stop()
    for part in parts:
        part.close()
    db.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
