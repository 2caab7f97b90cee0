"""What a live event costs the product, the floor of gRPC, and other systems.

Run it from the repository: `.venv/bin/python -m bench.peers [--cell progress-2000]`, after
`make bench-setup`. It is `bench.watch` with the peers beside the product, in the same repetitions:
Socket.IO with the adapter of Redis streams, a BullMQ queue with one notification job for each event
whose worker emits to Socket.IO, BullMQ's QueueEvents emitted to Socket.IO, and FastAPI's
server-sent events with Redis pub/sub. They check no token and keep nothing but what Redis keeps. To
them a state change is a message like any other.
"""

from bench.harness import command
from bench.harness.measure import compare
from bench.harness.report import times
from bench.harness.results import row_of
from bench.harness.systems import Load
from bench.installation import DATABASES
from bench.peers.systems import EVENT_PEERS, missing, versions
from bench.systems.floor import Floor
from bench.systems.rushes import Rushes
from bench.watch import CELLS, COLUMNS, COSTS, PLOTS

USUAL = ("progress-2000", "progress-5000", "state-2000", "progress-10-devices-2000")
NAMES = {peer.name: peer for peer in EVENT_PEERS}


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--cell", action="append", choices=CELLS, metavar="CELL")
    parser.add_argument("--peer", action="append", choices=NAMES, help="instead of all")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each repetition")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    asked = parser.parse_args()
    if why := missing():
        parser.error(why)
    run = command.begin(**versions())
    peers = [NAMES[name] for name in asked.peer or NAMES]
    systems = [Rushes(database=asked.database), Floor(), *peers]
    rows = []
    for name in asked.cell or USUAL:
        cell = CELLS[name]
        load = Load(cell.kind, cell.rate, asked.seconds)
        found = compare(systems, cell.shape, {name: load}, asked.repetitions)
        rows += [row_of(name, system, run, each) for (_, system), each in found.items()]
    columns = [*COLUMNS[:2], times("of ours", "server_us", "rushes"), *COLUMNS[2:]]
    command.finish("watch-peers", rows, columns, asked.write, costs=COSTS, drawn=PLOTS)


if __name__ == "__main__":
    main()
