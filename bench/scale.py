"""What the same watchers and events cost at 1, 2 and 4 server processes and shards of the stream.

Run it from the repository: `.venv/bin/python -m bench.scale [--shards 4] [--load progress-2000]`.
All numbers of processes serve as many watchers and deliver as many events, one after the other
within the same seconds, on installations of their own. On two cores nothing gets faster, so what is
measured is CPU: of all server processes together, of the dearest one, and of what stands behind
them. A *bystander* is a server process whose watchers are told nothing; what it pays is for events
of other users in the shards that it tails. *By shard* means that the watchers of a shard are at one
process, so that a process tails its own shards only. An idle cell has no events, an unheard one has
events of which no watcher is told. One of the edge shows what Envoy holds for as many connections
with a watch on each.
"""

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import product

from bench.harness import command
from bench.harness.measure import WARM_UP_SECONDS, Values, compare, cpu, measure, publish
from bench.harness.plots import Plot
from bench.harness.processes import resident_kib
from bench.harness.report import Column, metric, times
from bench.harness.results import Row, Run, row_of
from bench.harness.systems import Load, Running, Shape, System
from bench.installation import DATABASES
from bench.systems.floor import Floor
from bench.systems.rushes import Rushes, Servers

COUNTS = (1, 2, 4)
LOADS = {
    "progress-500": ("progress", 500),
    "progress-2000": ("progress", 2000),
    "state-500": ("state", 500),
    "state-1500": ("state", 1500),
}
HEAVY = ("progress-2000", "state-1500")
WATCHERS, IDLE_WATCHERS = 1000, 5000
IDLE_SECONDS = 20.0
UNHEARD_RATE = 10_000
UNHEARD = f"unheard, {UNHEARD_RATE:,} events/s"
EDGE_CONNECTIONS = (200, 1200)
BYSTANDER = "rushes, 1 process and a bystander"
COLUMNS: list[Column] = [
    metric("servers µs/event", "servers_us"),
    times("of the floor", "servers_us"),
    times("of 1 process", "servers_us", "rushes, 1 process"),
    metric("dearest process µs/event", "dearest_us", range=False),
    metric("bystander µs/told event", "bystander_us", 1),
    metric("p99 ms", "p99_ms", 1),
    metric("lost", "lost", range=False),
    metric("repeated", "repeated", range=False),
    metric("refused", "refused", range=False),
]
COSTS: list[Column] = [
    *(
        metric(f"{role} µs", f"{role}_us", range=False)
        for role in ("valkey", "database", "publisher", "client")
    ),
    metric("KiB/watcher", "each_kib", 1, range=False),
    metric("MiB of a process without watchers", "process_mib", range=False),
]
IDLE = [
    metric("server µs/told event", "bystander_us", 1),
    metric("Valkey µs/told event", "valkey_us", 1),
    metric("server µs/watcher and s", "idle_servers_us", 1),
    metric("database µs/watcher and s", "idle_database_us", 1),
    metric("KiB/watcher", "each_kib", 1, range=False),
    metric("MiB of Envoy", "envoy_mib", 1, range=False),
    metric("refused", "refused", range=False),
]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--shards", type=int, action="append", help="instead of 1, 2 and 4")
    parser.add_argument("--load", action="append", choices=[*LOADS, *OTHERS], metavar="LOAD")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each repetition")
    parser.add_argument("--watchers", type=int, help="instead of the usual number")
    parser.add_argument("--processes", type=int, action="append", help="instead of 1, 2 and 4")
    parser.add_argument("--database", choices=DATABASES, default="postgres")
    asked = parser.parse_args()
    loads = asked.load or [*LOADS, *OTHERS]
    run = command.begin()
    if events := [name for name in loads if name in LOADS]:
        rows = [row for n in asked.shards or COUNTS for row in _compared(n, events, asked, run)]
        heavy = [cell(load, shards) for load in HEAVY for shards in COUNTS]
        title = "CPU of all server processes for each delivered event"
        plots = [Plot("servers_us", title, "µs", cells=heavy)]
        command.finish("scale", rows, COLUMNS, asked.write, costs=COSTS, drawn=plots)
    if others := [name for name in OTHERS if name in loads]:
        rows = [row for name in others for row in OTHERS[name](asked, run)]
        command.finish("scale-idle", rows, IDLE, asked.write)


def cell(load: str, shards: int) -> str:
    """The name of a cell."""
    return f"{load}, {shards} {'shard' if shards == 1 else 'shards'}"


def idle_cell(watchers: int) -> str:
    """The name of a cell without events."""
    return f"idle, {watchers:,} watchers"


def edge_cell(connections: int) -> str:
    """The name of a cell of the edge."""
    return f"edge, {connections:,} connections"


def of_processes(count: int, by_shard: bool = False) -> str:
    """The name of a system."""
    how = ", by shard" if by_shard else ""
    return f"rushes, {count} {'process' if count == 1 else 'processes'}{how}"


def _systems(shards: int, asked: argparse.Namespace) -> list[System]:
    counts: Sequence[int] = asked.processes or COUNTS
    servers = {of_processes(count): Servers(count, shards) for count in counts}
    if shards > 1:
        servers[of_processes(shards, True)] = Servers(shards, shards, by_shard=True)
    servers[BYSTANDER] = Servers(1, shards, bystander=True)
    products = [
        Rushes(database=asked.database, name=name, servers=one) for name, one in servers.items()
    ]
    return [*products, Floor()]


def _compared(shards: int, names: list[str], asked: argparse.Namespace, run: Run) -> list[Row]:
    loads = {name: Load(*LOADS[name], asked.seconds) for name in names}
    shape = Shape(asked.watchers or WATCHERS)
    measured = partial(_measured, shape.watchers)
    found = compare(_systems(shards, asked), shape, loads, asked.repetitions, measured)
    return [row_of(cell(load, shards), system, run, each) for (load, system), each in found.items()]


def _measured(watchers: int, running: Running, load: Load) -> Values:
    """As `measure`, with the server processes together. A bystander stands apart."""
    servers = [role for role in running.pids if role.startswith("server")]
    held = sum(resident_kib(running.pids[role]) for role in servers) - running.before_kib
    values = measure(running, load)
    delivered = values["delivered_per_s"] * load.seconds
    told = delivered + values.get("lost", 0) + values.get("merged", 0)
    memory = {
        "each_kib": held / watchers,
        "process_mib": running.before_kib / len(servers) / 1024,
    }
    if "bystander_us" in values:
        values["bystander_us"] *= delivered / told
    spent = [values[f"{role}_us"] for role in servers]
    return values | memory | {"servers_us": sum(spent), "dearest_us": max(spent)}


def _idle(asked: argparse.Namespace, run: Run) -> list[Row]:
    """What watchers cost to whom nothing happens."""
    shape = Shape(asked.watchers or IDLE_WATCHERS)
    systems: list[System] = [Rushes(database=asked.database, name=of_processes(1)), Floor()]
    rows = []
    for system in systems:
        with system.start(shape) as running:
            each = [_rest(running, shape.watchers) for _ in range(asked.repetitions)]
        rows.append(row_of(idle_cell(shape.watchers), system.name, run, each))
    return rows


def _rest(running: Running, watchers: int) -> Values:
    before, begun = cpu(running.pids), time.perf_counter()
    held = resident_kib(running.pids["server"]) - running.before_kib
    time.sleep(IDLE_SECONDS)
    seconds = time.perf_counter() - begun
    used = {role: after - before[role] for role, after in cpu(running.pids).items()}
    each = {role: spent * 1e6 / watchers / seconds for role, spent in used.items()}
    return {
        "idle_servers_us": each["server"],
        "idle_database_us": each.get("database", 0.0),
        "each_kib": held / watchers,
        "process_mib": running.before_kib / 1024,
        "refused": running.refused,
    }


def _edge(asked: argparse.Namespace, run: Run) -> list[Row]:
    """What Envoy holds when each watcher has a connection of its own."""
    rows = []
    for count in EDGE_CONNECTIONS:
        system = Rushes(database=asked.database, envoy=True)
        with system.start(Shape(count, connections=0)) as running:
            held = resident_kib(running.pids["envoy"]) / 1024
        values = {"envoy_mib": held, "refused": running.refused}
        rows.append(row_of(edge_cell(count), system.name, run, [values]))
    return rows


def _unheard(asked: argparse.Namespace, run: Run) -> list[Row]:
    """What events cost that no watcher is told of: at one process, and with a bystander besides."""
    systems = {of_processes(1): Servers(heard=False)}
    systems[BYSTANDER] = Servers(heard=False, bystander=True)
    found: dict[str, list[Values]] = {name: [] for name in systems}
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(Rushes(servers=one).start(Shape(WATCHERS)))
            for name, one in systems.items()
        }
        for _, (name, one) in product(range(asked.repetitions), running.items()):
            found[name].append(_told(one, asked.seconds))
    return [row_of(UNHEARD, name, run, each) for name, each in found.items()]


def _told(running: Running, seconds: float) -> Values:
    publish(running, Load("progress", UNHEARD_RATE, WARM_UP_SECONDS))
    before = cpu(running.pids)
    sent, _ = publish(running, Load("progress", UNHEARD_RATE, seconds))
    used = {role: after - before[role] for role, after in cpu(running.pids).items()}
    each = {role: spent * 1e6 / sent["sent"] for role, spent in used.items()}
    return {
        "bystander_us": each.get("bystander", each["server"]),
        "valkey_us": each["valkey"],
        "late_ms": sent["late_ms"],
        "refused": running.refused,
    }


# Cells in which no watcher is told of an event, all of them at one shard.
OTHERS = {"idle": _idle, "edge": _edge, "unheard": _unheard}

if __name__ == "__main__":
    main()
