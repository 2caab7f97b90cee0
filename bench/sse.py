"""What a live event costs as a server-sent event, beside the gRPC watch that it is made from.

Run it from the repository: `.venv/bin/python -m bench.sse [--cell progress-500] [--seconds 4]`.
Both have servers of the same kind, the same watchers, requests and events, measured within the same
seconds. Each watcher has a connection of its own. The number in a cell's name is deliveries a
second.
"""

from bench.harness import command
from bench.harness.measure import Values, compare, measure
from bench.harness.report import metric, times
from bench.harness.results import row_of
from bench.harness.systems import Load, Running, Shape, System
from bench.systems.rushes import Rushes

WATCHERS = 500
CELLS = {f"{kind}-{rate}": (kind, rate) for kind in ("progress", "state") for rate in (500, 1000)}
ROLES = ("server", "http", "client")
COLUMNS = [
    metric("server and HTTP µs/event", "both_us"),
    times("of the gRPC watch", "both_us", "gRPC"),
    *(metric(f"{role} µs", f"{role}_us", range=False) for role in ROLES),
    metric("p50 ms", "p50_ms", 1, range=False),
    metric("p99 ms", "p99_ms", 1),
    metric("merged", "merged", range=False),
    metric("lost", "lost", range=False),
    metric("repeated", "repeated", range=False),
    metric("refused", "refused", range=False),
    metric("bytes", "bytes", range=False),
]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--cell", action="append", choices=CELLS, metavar="CELL")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each repetition")
    asked = parser.parse_args()
    run = command.begin()
    cells = {name: CELLS[name] for name in asked.cell or CELLS}
    loads = {name: Load(kind, rate, asked.seconds) for name, (kind, rate) in cells.items()}
    systems: list[System] = [Rushes(name="gRPC"), Rushes(name="server-sent events", events=True)]
    shape = Shape(WATCHERS, connections=0)
    found = compare(systems, shape, loads, asked.repetitions, _measured)
    rows = [row_of(cell, system, run, each) for (cell, system), each in found.items()]
    command.finish("sse", rows, COLUMNS, asked.write)


def _measured(running: Running, load: Load) -> Values:
    values = measure(running, load)
    return values | {"both_us": values["server_us"] + values.get("http_us", 0.0)}


if __name__ == "__main__":
    main()
