"""What a live event costs, and when it arrives: the product beside the floor of gRPC.

Run it from the repository: `.venv/bin/python -m bench.watch [--cell progress-2000] [--seconds 4]`.
Watchers are on a real server process with real tokens, filters, requests and payloads. The floor is
a bare grpc.aio server with the same streams, messages and pacing, measured within the same seconds.
The first part of a cell's name is what is published, the last one how many deliveries a second.
"""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from bench.harness import command
from bench.harness.measure import ROLES, Values, compare, measure
from bench.harness.plots import Plot
from bench.harness.report import Column, metric, times
from bench.harness.results import Row, Run, row_of
from bench.harness.systems import Load, Running, Shape, System
from bench.installation import DATABASES
from bench.systems.floor import Floor
from bench.systems.rushes import Rushes


@dataclass(frozen=True, slots=True)
class Cell:
    """Who watches and what is published."""

    kind: str
    rate: int
    shape: Shape = Shape(1000)  # noqa: RUF009
    envoy: bool = False


ONE_EACH = Shape(1000, connections=0)
DEVICES = Shape(100, devices=10)
CELLS = {
    "progress-2000": Cell("progress", 2000),
    "progress-5000": Cell("progress", 5000),
    "state-2000": Cell("state", 2000),
    "state-5000": Cell("state", 5000),
    "progress-connection-each-2000": Cell("progress", 2000, ONE_EACH),
    "state-connection-each-2000": Cell("state", 2000, ONE_EACH),
    "progress-10-devices-2000": Cell("progress", 2000, DEVICES),
    "state-10-devices-2000": Cell("state", 2000, DEVICES),
    "progress-envoy-2000": Cell("progress", 2000, envoy=True),
    "progress-envoy-connection-each-2000": Cell("progress", 2000, ONE_EACH, envoy=True),
}
CEILINGS = {"progress-ceiling": "progress", "state-ceiling": "state"}
# The ceiling is the highest rate at which all that was published arrives, p99 within this time.
CEILING_MS = 250
CEILING_STEP, CEILING_MOST, CEILING_SECONDS = 1000, 40_000, 2.0
COLUMNS = [
    metric("server µs/event", "server_us"),
    times("of the floor", "server_us"),
    metric("p50 ms", "p50_ms", 1, range=False),
    metric("p99 ms", "p99_ms", 1),
    metric("merged", "merged", range=False),
    metric("lost", "lost", range=False),
    metric("repeated", "repeated", range=False),
    metric("refused", "refused", range=False),
]
COSTS: list[Column] = [
    *(metric(f"{role} µs", f"{role}_us", range=False) for role in ROLES),
    metric("bytes", "bytes", range=False),
    metric("events/s", "delivered_per_s", range=False),
    metric("published late, ms", "late_ms", range=False),
]
RATES = [metric("holds events/s", "holds"), times("of the floor", "holds")]
PLOTS = [
    Plot("server_us", "CPU of the server for each delivered event", "µs"),
    Plot("p99_ms", "From publishing to the client, p99", "ms", logarithmic=True),
]
RATE_PLOTS = [Plot("holds", "What one server process holds", "events/s")]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--cell", action="append", choices=[*CELLS, *CEILINGS], metavar="CELL")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each repetition")
    parser.add_argument("--watchers", type=int, help="instead of the cell's own number")
    parser.add_argument("--rate", type=int, help="instead of the cell's own deliveries a second")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--without-floor", action="store_true", help="for a look at the product")
    asked = parser.parse_args()
    cells = asked.cell or [*CELLS, *CEILINGS]
    run = command.begin()
    rows = [row for group in _grouped(cells) for row in _measured(group, asked, run)]
    if rows:
        command.finish("watch", rows, COLUMNS, asked.write, costs=COSTS, drawn=PLOTS)
    ceilings = [name for name in cells if name in CEILINGS]
    if ceilings:
        rows = _ceilings(ceilings, asked, run)
        command.finish("watch-ceiling", rows, RATES, asked.write, drawn=RATE_PLOTS)


def _grouped(cells: list[str]) -> list[dict[str, Cell]]:
    """The cells that can share their watchers, together."""
    groups: dict[tuple[Shape, bool], dict[str, Cell]] = {}
    for name in cells:
        if name in CELLS:
            cell = CELLS[name]
            groups.setdefault((cell.shape, cell.envoy), {})[name] = cell
    return list(groups.values())


def _measured(cells: dict[str, Cell], asked: argparse.Namespace, run: Run) -> list[Row]:
    some = next(iter(cells.values()))
    shape = some.shape
    if asked.watchers:
        shape = replace(shape, users=asked.watchers // shape.devices)
    systems: list[System] = [Rushes(database=asked.database, envoy=some.envoy)]
    systems += [] if asked.without_floor else [Floor()]
    loads = {
        name: Load(cell.kind, asked.rate or cell.rate, asked.seconds)
        for name, cell in cells.items()
    }
    found = compare(systems, shape, loads, asked.repetitions)
    return [row_of(cell, system, run, each) for (cell, system), each in found.items()]


def _ceilings(cells: list[str], asked: argparse.Namespace, run: Run) -> list[Row]:
    found: dict[tuple[str, str], list[Values]] = {}
    systems: list[System] = [Rushes(database=asked.database), Floor()]
    with ExitStack() as stack:
        running = {one.name: stack.enter_context(one.start(Shape(1000))) for one in systems}
        for cell, _, (name, one) in product(cells, range(asked.repetitions), running.items()):
            rate = highest(partial(_holds, one, CEILINGS[cell]))
            found.setdefault((cell, name), []).append({"holds": rate})
    return [row_of(cell, system, run, each) for (cell, system), each in found.items()]


def _holds(running: Running, kind: str, rate: int) -> bool:
    """Whether all arrives in time at that rate, and was published in time."""
    values = measure(running, Load(kind, rate, CEILING_SECONDS))
    late = max(values["p99_ms"], values["late_ms"]) > CEILING_MS
    return not late and not values.get("lost", 0)


def highest(holds: Callable[[int], bool]) -> int:
    """The highest rate that holds, to a step: doubles until one does not, then halves the gap."""
    good, bad = 0, CEILING_MOST
    rate = 4 * CEILING_STEP
    while good + CEILING_STEP < bad:
        if holds(rate):
            good = rate
        else:
            bad = rate
        middle = (good + bad) // 2 // CEILING_STEP * CEILING_STEP
        rate = min(good * 2, CEILING_MOST - CEILING_STEP) if bad == CEILING_MOST else middle
    return good


if __name__ == "__main__":
    main()
