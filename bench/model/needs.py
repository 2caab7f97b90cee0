"""An installation of many watchers: processes, cores and memory of each part, and its load."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.harness.results import FOLDER, Figures
from bench.model.costs import Costs, Lacking, Load, ValkeyCosts, costs, valkey_costs, value
from bench.scale import EDGE_CONNECTIONS, IDLE_WATCHERS, edge_cell, idle_cell, of_processes

# What a process may use of its core, so that a burst finds room.
SHARE = 0.6
OURS, ENVOY = "rushes", "rushes through Envoy"
IDLE_CELL = idle_cell(IDLE_WATCHERS)
MILLION, GIB_OF_KIB, GIB_OF_MIB = 1e6, 1 << 20, 1 << 10
POLL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """An installation. Each watcher watches a user of its own, to whom its jobs belong."""

    watchers: int
    running: int
    job_seconds: float
    progress_per_s: float
    changes: int
    per_process: int
    per_envoy: int

    @property
    def jobs_per_s(self) -> float:
        """How many jobs end in a second."""
        return self.running / self.job_seconds

    @property
    def told(self) -> dict[str, float]:
        """Events a second by kind."""
        return {
            "progress": self.running * self.progress_per_s,
            "state": self.jobs_per_s * self.changes,
        }

    def scaled(self, share: float) -> "Asked":
        """The same with so many times the watchers and jobs."""
        return replace(self, watchers=int(self.watchers * share), running=int(self.running * share))


@dataclass(frozen=True, slots=True)
class Kept:
    """The constants, from the figures that are kept in `folder`."""

    server: dict[str, Costs]
    valkey: dict[str, ValkeyCosts]
    folder: Path

    @classmethod
    def read(cls, folder: Path = FOLDER) -> "Kept":
        """Reads them.

        Raises:
            Lacking: when a figure is not kept.
        """
        scale, idle = Figures.read("scale", folder), Figures.read("scale-idle", folder)
        kinds = ("progress", "state")
        waits = value("scale-idle", idle, (IDLE_CELL, of_processes(1)), "idle_servers_us")
        return cls(
            {kind: replace(costs(scale, idle, kind), idle=waits) for kind in kinds},
            {kind: valkey_costs(scale, idle, kind) for kind in kinds},
            folder,
        )

    def of(self, bench: str, cell: str, system: str, metric: str) -> float:
        """A figure of a bench.

        Raises:
            Lacking: when it is not kept.
        """
        return value(bench, Figures.read(bench, self.folder), (cell, system), metric)


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of process, and what it carries."""

    name: str
    count: int
    cores: float
    gib: float | None
    carries: str


def server_cores(asked: Asked, kept: Kept, count: int, by_shard: bool) -> tuple[float, float]:
    """Cores of one of so many processes that serve watches, and those for other users' events."""
    alone = spent = 0.0
    for kind, told in asked.told.items():
        tailed = told / count if by_shard else told
        load = Load(1, tailed, told / count, asked.watchers / count)
        its = kept.server[kind]
        if kind == "state":
            # Progress reads the tails and wakes them; changes of state come along.
            spent += load.rows * its.row + load.delivered * its.delivery
            alone += load.rows * its.row
        else:
            spent += its.of(load)
            alone += its.tail(load)
    return spent / MILLION, alone / MILLION


def valkey_cores(asked: Asked, kept: Kept, count: int, by_shard: bool) -> float:
    """Cores of Valkey with so many server processes."""
    spent = 0.0
    for kind, told in asked.told.items():
        its = kept.valkey[kind]
        reader = Load(1, told / count if by_shard else told, 0)
        if kind == "state":
            spent += told * its.event + count * reader.rows * its.row
        else:
            spent += its.of(told, [reader] * count)
    return spent / MILLION


def processes(asked: Asked, kept: Kept, by_shard: bool) -> int | None:
    """The least number of processes in which none uses more than SHARE; None when there is none."""
    count = max(math.ceil(asked.watchers / asked.per_process), 1)
    while server_cores(asked, kept, count, by_shard)[0] > SHARE:
        if count > asked.watchers:
            return None
        count = math.ceil(count * 1.05)
    return count


def ends_at(asked: Asked, kept: Kept) -> int:
    """With how many watchers it ends that every process tails every shard: one Valkey process has
    no CPU left, or the events of other users take what a server process may use."""

    def fits(share: float) -> bool:
        part = asked.scaled(share)
        count = processes(part, kept, by_shard=False)
        return count is not None and valkey_cores(part, kept, count, by_shard=False) <= SHARE

    low, high = 0.0, 1.0
    if fits(high):
        return asked.watchers
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return int(asked.watchers * low)


def parts(asked: Asked, kept: Kept) -> Iterator[Part]:
    """Every part, where each process tails the shards of its own users alone.

    Raises:
        Lacking: when a figure is not kept.
    """
    count = processes(asked, kept, by_shard=True)
    if count is None:
        raise Lacking("no number of processes is enough for so many events of one watcher")
    yield _edge(asked, kept)
    yield _watches(asked, kept, count)
    yield from _jobs(asked, kept)
    yield _valkey(asked, kept, count)
    yield _database(asked, kept)


def _edge(asked: Asked, kept: Kept) -> Part:
    few, many = EDGE_CONNECTIONS
    held = [kept.of("scale-idle", edge_cell(n), ENVOY, "envoy_mib") for n in EDGE_CONNECTIONS]
    mib = (held[1] - held[0]) / (many - few)
    base = max(held[0] - few * mib, 0.0)
    each = kept.of("watch", "progress-envoy-connection-each-2000", ENVOY, "envoy_us")
    size = kept.of("watch", "progress-envoy-connection-each-2000", ENVOY, "bytes")
    delivered = sum(asked.told.values())
    count = math.ceil(asked.watchers / asked.per_envoy)
    return Part(
        "Envoy",
        count,
        delivered * each / MILLION,
        (count * base + asked.watchers * mib) / GIB_OF_MIB,
        f"{asked.watchers:,} sockets of callers; {delivered:,.0f} events/s,"
        f" {delivered * size / 1e6:,.0f} MB/s",
    )


def _watches(asked: Asked, kept: Kept, count: int) -> Part:
    each = kept.of("memory", "idle-5000-10-connections", OURS, "each_kib")
    base = kept.of("memory", "idle-5000-10-connections", OURS, "before_mib")
    cores, _ = server_cores(asked, kept, count, by_shard=True)
    held = count * base * 1024 + asked.watchers * each
    delivered = sum(asked.told.values()) / count
    return Part(
        "server, watches",
        count,
        count * cores,
        held / GIB_OF_KIB,
        f"each {asked.watchers / count:,.0f} watches, {delivered:,.0f} events/s,"
        f" {held / count / 1024:,.0f} MiB, {cores:.2f} of a core",
    )


def _jobs(asked: Asked, kept: Kept) -> Iterator[Part]:
    per_s = asked.jobs_per_s
    for name, metric, carries in (
        ("server, calls", "server_ms", "jobs/s accepted"),
        ("workers, steps", "workers_ms", "jobs/s begun and ended"),
    ):
        cores = per_s * kept.of("throughput", "throughput-postgres", OURS, metric) / 1000
        yield Part(name, math.ceil(cores / SHARE), cores, None, f"{per_s:,.0f} {carries}")
    polls = asked.running / POLL_SECONDS
    cores = polls * kept.of("poller", "polls-postgres", OURS, "poll_ms") / 1000
    carries = f"{asked.running:,} operations at providers, {polls:,.0f} polls/s"
    yield Part("workers, polls", math.ceil(cores / SHARE), cores, None, carries)


def _valkey(asked: Asked, kept: Kept, count: int) -> Part:
    cores = valkey_cores(asked, kept, count, by_shard=True)
    told = sum(asked.told.values())
    carries = f"{told:,.0f} entries/s in, as many out; {count} readers"
    return Part("Valkey", math.ceil(cores / SHARE), cores, None, carries)


def _database(asked: Asked, kept: Kept) -> Part:
    per_s, polls = asked.jobs_per_s, asked.running / POLL_SECONDS
    jobs = per_s * kept.of("throughput", "throughput-postgres", OURS, "database_ms") / 1000
    of_polls = ("poller", "polls-postgres", OURS)
    each = kept.of(*of_polls, "database_cores") / kept.of(*of_polls, "polls_per_s")
    idle = kept.of("scale-idle", IDLE_CELL, of_processes(1), "idle_database_us")
    compared = asked.watchers * idle / MILLION
    return Part(
        "PostgreSQL",
        1,
        jobs + polls * each + compared,
        None,
        f"jobs {jobs:.1f}, polls {polls * each:.1f}, comparing the watchers' revisions"
        f" {compared:.1f} cores",
    )
