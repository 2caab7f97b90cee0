"""What one user's flood of each call of the service does to other users.

Run it from the repository: `.venv/bin/python -m bench.starve [--method GetJob] [--envoy]`.
Within its limits a user begins as many calls a second as the settings allow, beyond them ten times
as many. Meanwhile others call GetJob and GenerateImage at a steady pace, and watch state changes.
Each flood is compared with the calm seconds right before it.
"""

import argparse
import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.processes import cpu_seconds
from bench.harness.report import metric
from bench.harness.results import Row, Run, percentile, row_of
from bench.installation import DATABASES
from bench.starve.cells import Cell, floods
from bench.starve.others import call
from bench.starve.place import Place, start

CALM = "calm"
CHANGES_PER_SECOND = 50
WHAT = {"get": "GetJob", "accept": "accept", "event": "state change"}
COLUMNS = [
    *(metric(f"{name}, × calm", f"{key}_times", 2) for key, name in WHAT.items()),
    *(metric(f"{name} p99 ms", f"{key}_p99_ms", 1, range=False) for key, name in WHAT.items()),
]
COSTS = [
    metric("flood, calls/s", "sent_per_s", range=False),
    metric("answered/s", "answered_per_s", range=False),
    metric("refused/s", "refused_per_s", range=False),
    metric("server cores", "server_cores", 2, range=False),
]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--method", action="append", help="a call, instead of all of them")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each flood")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--envoy", action="store_true", help="everybody comes through the edge")
    asked = parser.parse_args()
    run = command.begin()
    with ExitStack() as stack:
        rows = _flood_all(start(stack, asked), asked, run)
    command.finish("starve", rows, COLUMNS, asked.write, costs=COSTS)


def _flood_all(place: Place, asked: argparse.Namespace, run: Run) -> list[Row]:
    cells = [cell for cell in floods(place.known) if _is_asked(cell, asked.method)]
    found: dict[str, list[Values]] = {CALM: []}
    _measure(place, None, asked.seconds)  # what first calls set up is no part of the figures
    for _ in range(asked.repetitions):
        for cell in random.sample(cells, len(cells)):
            calm = _measure(place, None, asked.seconds)
            flooded = _measure(place, cell, asked.seconds)
            times = {f"{key}_times": _p99(flooded, key) / _p99(calm, key) for key in WHAT}
            found[CALM].append(calm)
            found.setdefault(cell.name, []).append(flooded | times)
    on = "" if asked.database == "sqlite" else f" on {asked.database}"
    system = "rushes through Envoy" if asked.envoy else "rushes"
    return [row_of(f"{name}{on}", system, run, each) for name, each in found.items()]


def _is_asked(cell: Cell, names: list[str] | None) -> bool:
    return not names or cell.method.name in names


def _p99(values: Values, key: str) -> float:
    return values[f"{key}_p99_ms"]


def _measure(place: Place, cell: Cell | None, seconds: float) -> Values:
    """What the others see while the cell's flood runs, or nothing does."""
    place.watchers.ask(do="begin")
    before = cpu_seconds(place.server)
    with ThreadPoolExecutor(2) as threads:
        flood = cell and threads.submit(place.flooder.ask, seconds=seconds, **cell.asked)
        changes = threads.submit(
            place.publisher.ask, kind="state", rate=CHANGES_PER_SECOND, seconds=seconds
        )
        ages = asyncio.run(call(place, seconds))
        changes.result()
        sent = flood.result() if flood else {}
    used = cpu_seconds(place.server) - before
    watched = place.watchers.ask(do="end")
    return {
        **{f"{key}_p99_ms": percentile(sorted(each), 0.99) * 1000 for key, each in ages.items()},
        "event_p99_ms": watched["p99_ms"],
        **{f"{name}_per_s": count / seconds for name, count in sent.items()},
        "server_cores": used / seconds,
    }


if __name__ == "__main__":
    main()
