"""What calls cost with a history of two million jobs, beside a database that has hardly any.

Run it from the repository: `.venv/bin/python -m bench.history [--folder /tmp/history]`.
One user has `--jobs` jobs with their events and media, 10,000 others have as many together, 65,000
jobs wait and 50,000 run. The other database has 2,000 jobs of one user, so that its pages are as
long. A server process stands on each. The calls on both take turns, for the ratio, and then those
on the long one are made in a row. They are measured as the databases were loaded, and again after
ANALYZE. Filling takes some 10 minutes and 6 GiB for each kind of database; with `--folder` it is
done once. Calls of workers and of upkeep are made in the
process of the bench, the others by gRPC.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc

from bench.harness import command
from bench.harness.plots import Plot
from bench.harness.report import Column, metric
from bench.harness.results import Figures, Row, Run, percentile, row_of
from bench.history.callers import Side, callers
from bench.history.calls import calls
from bench.history.databases import Pair, databases
from bench.history.growth import growth
from bench.history.rows import Size
from bench.history.upkeep import RATE, beside
from bench.installation import DATABASES, installation
from core.process.settings import read_settings
from core.store import open_database

PARTS = ("calls", "growth", "upkeep")
STAGES = ("loaded", "analyzed")
DAYS = 300
# What is promised of a call: so many times that with a short history, and so many ms.
MOST_TIMES, MOST_MS, MOST_WORDS_MS = 2.0, 5.0, 20.0
FULL = Size(of_one=1_000_000, of_others=1_000_000, queued=65_000, running=50_000)
Values = dict[str, float]
Call = Callable[[], Awaitable[object]]


def misses(_: Figures, row: Row) -> str:
    """What of the promise a row does not keep; more rows that are found are no excuse."""
    most = MOST_WORDS_MS if "words" in row.cell else MOST_MS
    found = []
    if max(row[f"{stage}_times"].median for stage in STAGES if f"{stage}_times" in row.values) > (
        MOST_TIMES
    ):
        found.append(f"over {MOST_TIMES:.0f} ×")
    in_a_row = [row[f"{stage}_row_ms"] for stage in STAGES if f"{stage}_row_ms" in row.values]
    if any(time.median > most for time in in_a_row):
        found.append(f"over {most:.0f} ms")
    return ", ".join(found)


COLUMNS = [
    metric("short history, p50 ms", "short_ms", 2, range=False),
    metric("long, p50 ms", "loaded_ms", 2),
    metric("in a row", "loaded_row_ms", 2),
    metric("most ms", "loaded_most_ms", 1, range=False),
    metric("× short", "loaded_times", 2),
    metric("analyzed, p50 ms", "analyzed_ms", 2),
    metric("in a row, analyzed", "analyzed_row_ms", 2),
    metric("× short, analyzed", "analyzed_times", 2),
    metric("found", "found", range=False),
    metric("found in the short one", "short_found", range=False),
    Column("misses", misses),
]
UPKEEP = [
    metric("p50 ms", "p50_ms", 1),
    metric("p99 ms", "p99_ms", 1),
    metric("most ms", "most_ms"),
    metric("jobs forgotten/s", "jobs_per_s", range=False),
    metric("changes forgotten/s", "changes_per_s", range=False),
    metric("items erased/s", "items_per_s", range=False),
    metric("cores of the upkeep", "upkeep_cores", 2, range=False),
]
GROWTH = [
    metric("table, bytes/job", "table"),
    metric("indexes, bytes/job", "index"),
    metric("together", "both"),
    metric("a year of 10,000 jobs a day, GiB", "year_gib", 1),
    metric("filled in, s", "fill_seconds"),
]
PLOTTED = (
    *("GenerateImage", "GetJob, with its place", "ListJobs, last page", "ListJobs, two labels"),
    *("WatchJobs, snapshot", "ListMedia, starred", "ListMedia, words: one in 1,000"),
    "store: claim and start",
)
PLOTS = [
    Plot("loaded_times", "p50 with a long history, as multiples of a short one", "times", PLOTTED)
]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="instead of all")
    parser.add_argument("--database", action="append", choices=DATABASES, help="instead of both")
    parser.add_argument("--jobs", type=int, default=FULL.of_one, help="of the one user")
    parser.add_argument("--folder", type=Path, help="where the filled databases stay")
    parser.add_argument("--calls", type=int, default=15, help="of each kind in a repetition")
    parser.add_argument("--seconds", type=float, default=10.0, help="of accepts beside upkeep")
    asked = parser.parse_args()
    run = command.begin()
    # Upkeep removes what growth looks at, so it comes last.
    parts = [part for part in PARTS if part in (asked.part or PARTS)]
    found: dict[str, list[Row]] = {part: [] for part in parts}
    with ExitStack() as stack:
        folder = asked.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-bench-")))
            folder.chmod(0o755)
        for kind in asked.database or DATABASES:
            pair = stack.enter_context(databases(kind, folder, _size(asked.jobs)))
            for part in parts:
                found[part] += {"calls": _calls, "upkeep": _upkeep, "growth": _growth}[part](
                    pair, asked, run
                )
    if "calls" in parts:
        command.finish("history", found["calls"], COLUMNS, asked.write, drawn=PLOTS)
    if "upkeep" in parts:
        command.finish("history-upkeep", found["upkeep"], UPKEEP, asked.write)
    if "growth" in parts:
        command.finish("history-growth", found["growth"], GROWTH, asked.write)


def _size(jobs: int) -> Size:
    """The full size, or as much less of everything."""
    share = jobs / FULL.of_one
    names = ("of_one", "of_others", "queued", "running")
    return Size(**{name: int(getattr(FULL, name) * share) for name in names})


def _calls(pair: Pair, asked: argparse.Namespace, run: Run) -> list[Row]:
    """A row for each call, with what it took at each stage."""
    found: dict[str, list[Values]] = {}
    for stage in STAGES:
        pair.analyze() if stage == "analyzed" else pair.forget_statistics()
        for cell, each in _at_stage(pair, stage, asked).items():
            kept = found.setdefault(cell, [{} for _ in each])
            found[cell] = [values | more for values, more in zip(kept, each, strict=True)]
    return [row_of(cell, pair.kind, run, each) for cell, each in found.items()]


def _at_stage(pair: Pair, stage: str, asked: argparse.Namespace) -> dict[str, list[Values]]:
    with ExitStack() as stack:
        sides = [
            stack.enter_context(installation(pair.kind, 0, url=url))
            for url in (pair.long, pair.short)
        ]
        return asyncio.run(_measured(sides, stage, asked))


async def _measured(
    running: list[Any], stage: str, asked: argparse.Namespace
) -> dict[str, list[Values]]:
    found: dict[str, list[Values]] = {}
    async with (
        grpc.aio.insecure_channel(running[0].address) as first,
        grpc.aio.insecure_channel(running[1].address) as second,
    ):
        dbs = [open_database(read_settings(database_url=one.database_url)) for one in running]
        sides = [
            Side.of(one, db, channel)
            for one, db, channel in zip(running, dbs, (first, second), strict=True)
        ]
        both = [[*await callers(side), *_of_workers(side, asked)] for side in sides]
        for (name, long), (_, short) in zip(*both, strict=True):
            for _ in range(asked.repetitions):
                values = await _pair(long, short, asked.calls, stage)
                found.setdefault(name, []).append(values)
            print(f"{stage}, {name}: {values[f'{stage}_ms']:.2f} ms", flush=True)
        for db in dbs:
            db.close()
    return found


def _of_workers(side: Side, asked: argparse.Namespace) -> Iterator[tuple[str, Call]]:
    for name, call in calls(side.db, 2 * asked.repetitions * asked.calls):
        yield f"store: {name}", _in_thread(call)


def _in_thread(call: Callable[[], object]) -> Call:
    async def made() -> None:
        await asyncio.to_thread(call)

    return made


async def _pair(long: Call, short: Call, count: int, stage: str) -> Values:
    """Calls on both in turns, then calls on the long one in a row, and the medians.

    In turns two servers and two databases push each other out of the caches of the processor,
    which the ratio does not feel. In a row is what one server answers.
    """
    ages: dict[Call, list[float]] = {long: [], short: []}
    brought: dict[Call, object] = {}
    for _ in range(count):
        for call in (short, long):
            age, brought[call] = await _timed(call)
            ages[call].append(age)
    of_long, of_short = sorted(ages[long]), sorted(ages[short])
    in_a_row = sorted([(await _timed(long))[0] for _ in range(count)])
    base = percentile(of_short, 0.5)
    values = {
        f"{stage}_ms": percentile(of_long, 0.5),
        f"{stage}_row_ms": percentile(in_a_row, 0.5),
        f"{stage}_most_ms": max(of_long[-1], in_a_row[-1]),
        f"{stage}_times": percentile(of_long, 0.5) / base,
    }
    if stage == STAGES[0]:
        values["short_ms"] = base
    counts = {"found": brought[long], "short_found": brought[short]}
    return values | {name: n for name, n in counts.items() if isinstance(n, int)}


async def _timed(call: Call) -> tuple[float, object]:
    """How long the call took, in ms, and what it brought."""
    begun = time.perf_counter()
    brought = await call()
    return (time.perf_counter() - begun) * 1000, brought


def _upkeep(pair: Pair, asked: argparse.Namespace, run: Run) -> list[Row]:
    """Accepts on the long one, with and without upkeep beside them."""
    pair.analyze()
    found: dict[str, list[Values]] = {}
    with installation(pair.kind, 0, url=pair.long) as running:
        for repetition in range(asked.repetitions):
            for name, days in (("alone", None), ("beside upkeep", DAYS - repetition)):
                values = beside(running, pair.long, asked.seconds, days)
                found.setdefault(f"{pair.kind}, {name}", []).append(values)
    cell = f"GenerateImage, {RATE}/s"
    return [row_of(cell, name, run, each) for name, each in found.items()]


def _growth(pair: Pair, asked: argparse.Namespace, run: Run) -> list[Row]:
    """A row for each table. How long filling took stands beside all of them."""
    found = dict(growth(pair.long))
    if pair.fill_seconds:
        found["all tables"]["fill_seconds"] = pair.fill_seconds
    return [row_of(name, pair.kind, run, [values]) for name, values in found.items()]


if __name__ == "__main__":
    main()
