"""How long it takes until all have caught up who return at once, each having missed 20 changes.

Run it from the repository: `.venv/bin/python -m bench.storm [--watchers 5000]`. All connections
are dropped, the changes are committed, and all watches are opened again at once with their last
tokens. The floor sends as many messages to as many new streams, which it has in memory.
"""

import argparse
import random
from contextlib import ExitStack

from bench.harness import command
from bench.harness.measure import Values, cpu, note_refused
from bench.harness.plots import Plot
from bench.harness.processes import resident_kib
from bench.harness.report import metric, times
from bench.harness.results import Row, Run, row_of
from bench.harness.systems import Running, Shape, System
from bench.installation import DATABASES
from bench.systems.floor import Floor
from bench.systems.rushes import Rushes

WATCHERS = (1000, 5000, 10_000)
MISSED = 20
LONGEST_SECONDS = 60.0
COLUMNS = [
    metric("all caught up, s", "seconds", 2),
    times("of the floor", "seconds"),
    metric("p50 s", "p50_s", 2, range=False),
    metric("p99 s", "p99_s", 2, range=False),
    metric("lost", "lost", range=False),
    metric("repeated", "repeated", range=False),
    metric("refused", "refused", range=False),
]
COSTS = [
    metric("server µs/event", "server_us"),
    times("of the floor", "server_us"),
    metric("database µs", "database_us", range=False),
    metric("client µs", "client_us", range=False),
    metric("resident before, MiB", "before_mib", range=False),
    metric("after, MiB", "after_mib", range=False),
]
PLOTS = [Plot("seconds", "Until all who return at once have caught up", "seconds")]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--watchers", type=int, action="append", help="instead of the usual ones")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--without-floor", action="store_true")
    asked = parser.parse_args()
    run = command.begin()
    rows = [row for n in asked.watchers or WATCHERS for row in _storms(n, asked, run)]
    command.finish("storm", rows, COLUMNS, asked.write, costs=COSTS, drawn=PLOTS)


def _storms(watchers: int, asked: argparse.Namespace, run: Run) -> list[Row]:
    systems: list[System] = [Rushes(database=asked.database)]
    systems += [] if asked.without_floor else [Floor(MISSED)]
    found: dict[str, list[Values]] = {one.name: [] for one in systems}
    with ExitStack() as stack:
        running = {one.name: stack.enter_context(one.start(Shape(watchers))) for one in systems}
        for _ in range(asked.repetitions):
            for name in random.sample(list(running), len(running)):
                found[name].append(_storm(running[name], watchers))
    return [row_of(f"storm-{watchers}", name, run, each) for name, each in found.items()]


def _storm(running: Running, watchers: int) -> Values:
    server = running.pids["server"]
    running.client.ask(do="leave")
    running.publisher.ask(timeout=LONGEST_SECONDS * 2, missed=MISSED)
    before, before_kib = cpu(running.pids), resident_kib(server)
    got = running.client.ask(
        timeout=LONGEST_SECONDS * 2, do="open", count=watchers, seconds=LONGEST_SECONDS
    )
    note_refused(got)
    used = {role: after - before[role] for role, after in cpu(running.pids).items()}
    expected = watchers * MISSED
    return {f"{role}_us": seconds * 1e6 / expected for role, seconds in used.items()} | {
        "seconds": got["seconds"],
        "p50_s": got["p50_s"],
        "p99_s": got["p99_s"],
        "lost": expected - got["delivered"],
        "repeated": got["repeated"],
        "refused": got["refused"],
        "before_mib": before_kib / 1024,
        "after_mib": resident_kib(server) / 1024,
    }


if __name__ == "__main__":
    main()
