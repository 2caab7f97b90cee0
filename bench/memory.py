"""How much memory an idle watcher costs the server, and how much comes back when it leaves.

Run it from the repository: `.venv/bin/python -m bench.memory [--watchers 5000]`. What the server
process has in memory with all watchers, less what it had before they came, for each watcher; and
again after they left. Each repetition has servers of its own.
"""

import argparse
import random
import time

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.plots import Plot
from bench.harness.processes import resident_kib
from bench.harness.report import metric, times
from bench.harness.results import Row, Run, row_of
from bench.harness.systems import Shape, System
from bench.systems.floor import Floor
from bench.systems.rushes import Rushes

WATCHERS = (1000, 5000)
CONNECTIONS = {"10-connections": 10, "connection-each": 0}
# Until the server has noticed and given back what it does.
LEFT_SECONDS = 5.0
COLUMNS = [
    metric("KiB/watcher", "each_kib", 1),
    times("of the floor", "each_kib"),
    metric("still held after they left, KiB/watcher", "kept_kib", 1),
    metric("of it, %", "kept_percent", range=False),
    metric("connecting, s", "connect_s", 2),
    metric("server before, MiB", "before_mib", range=False),
    metric("refused", "refused", range=False),
]
PLOTS = [Plot("each_kib", "Resident memory of the server for each idle watcher", "KiB")]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__, repetitions=2)
    parser.add_argument("--watchers", type=int, action="append", help="instead of the usual ones")
    parser.add_argument("--connections", choices=CONNECTIONS, action="append")
    asked = parser.parse_args()
    run = command.begin()
    rows = [
        row
        for watchers in asked.watchers or WATCHERS
        for connections in asked.connections or CONNECTIONS
        for row in _compared(watchers, connections, asked, run)
    ]
    command.finish("memory", rows, COLUMNS, asked.write, drawn=PLOTS)


def _compared(watchers: int, connections: str, asked: argparse.Namespace, run: Run) -> list[Row]:
    systems: list[System] = [Rushes(), Floor()]
    found: dict[str, list[Values]] = {one.name: [] for one in systems}
    shape = Shape(watchers, connections=CONNECTIONS[connections])
    for _ in range(asked.repetitions):
        for one in random.sample(systems, len(systems)):
            found[one.name].append(_memory(one, shape))
    return [row_of(f"idle-{watchers}-{connections}", name, run, found[name]) for name in found]


def _memory(system: System, shape: Shape) -> Values:
    with system.start(shape) as running:
        server = running.pids["server"]
        held = resident_kib(server) - running.before_kib
        running.client.ask(do="leave")
        time.sleep(LEFT_SECONDS)
        kept = resident_kib(server) - running.before_kib
    return {
        "each_kib": held / shape.watchers,
        "kept_kib": kept / shape.watchers,
        "kept_percent": 100 * kept / held,
        "connect_s": running.connect_seconds,
        "before_mib": running.before_kib / 1024,
        "refused": running.refused,
    }


if __name__ == "__main__":
    main()
