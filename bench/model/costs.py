"""The CPU of a server process and of Valkey as a sum of rates times costs.

A server process pays for being woken, for the reads of its tails, for their rows (events of all
users in its shards), for wake-ups that have something for its watchers, for what is delivered to
them, and for watchers to whom nothing happens. One process and a bystander at two rates on one
shard give the costs. A bystander on four shards tells what a read costs a process that is awake.
Everything else is a prediction. Valkey is reckoned alike, from one reader and from two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.harness.results import Figures
from bench.scale import BYSTANDER, COUNTS, LOADS, cell, of_processes
from core.telling.stream import JOIN_SECONDS

# What a read takes beside the time that a tail lets rows gather.
READ_SECONDS = 0.0005
MOST_READS = 1 / (JOIN_SECONDS + READ_SECONDS)
ONE = of_processes(1)


class Lacking(LookupError):
    """A figure that the model needs is not kept; the message names the command that makes it."""


def value(name: str, figures: Figures, of: tuple[str, str], metric: str) -> float:
    """The median of a kept figure of (cell, system).

    Raises:
        Lacking: when it is not kept.
    """
    row = figures.find(*of)
    if row is None or metric not in row.values:
        what = f"{metric} of {' and '.join(of)}"
        raise Lacking(f"{what} is not kept: make bench-{name.partition('-')[0]} ARGS=--write")
    return row[metric].median


@dataclass(frozen=True, slots=True)
class Load:
    """What one process gets in a second: `told` in each of the shards that it tails."""

    shards: int
    told: float
    delivered: float
    watchers: float = 0.0

    @property
    def reads(self) -> float:
        """Reads of all tails. Each gathers what comes within a moment."""
        return self.shards * min(self.told, MOST_READS)

    @property
    def rows(self) -> float:
        """Rows of all tails."""
        return self.shards * self.told

    @property
    def moments(self) -> float:
        """How often the process is woken. Where events come densely, all its tails are at once."""
        return min(self.rows, MOST_READS)

    @property
    def wake_ups(self) -> float:
        """Moments that have something for the watchers here, when events come at random."""
        if not self.rows:
            return 0.0
        others = 1 - min(self.delivered / self.rows, 1.0)
        return self.moments * (1 - math.pow(others, self.rows / self.moments))


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of CPU of a server process for events of one kind."""

    moment: float
    read: float
    row: float
    wake_up: float
    delivery: float
    idle: float = 0.0

    def of(self, load: Load) -> float:
        """Microseconds in a second."""
        return self.tail(load) + (
            load.wake_ups * self.wake_up
            + load.delivered * self.delivery
            + load.watchers * self.idle
        )

    def tail(self, load: Load) -> float:
        """The part that a process pays for whatever its watchers get."""
        return load.moments * self.moment + load.reads * self.read + load.rows * self.row


@dataclass(frozen=True, slots=True)
class ValkeyCosts:
    """Microseconds of CPU of Valkey: for an event that it takes, for a moment in which a process
    reads, and for a row that is read."""

    event: float
    moment: float
    row: float

    def of(self, told: float, readers: Sequence[Load]) -> float:
        """Microseconds in a second."""
        moments = sum(one.moments for one in readers)
        return told * self.event + moments * self.moment + sum(r.rows for r in readers) * self.row


def pair(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """The two costs, none below nothing, of `amount * cost + amount * cost = spent`, twice."""
    (a, b, spent), (c, d, more) = first, second
    along = a * d - b * c
    found = ((spent * d - more * b) / along, (a * more - c * spent) / along) if along else (-1, -1)
    if min(found) >= 0:
        return found
    # Noise is larger than the lesser cost. One of the two alone explains both best.
    alone = [
        ((a * spent + c * more) / (a * a + c * c), 0.0),
        (0.0, (b * spent + d * more) / (b * b + d * d)),
    ]

    def miss(one: tuple[float, float]) -> float:
        x, y = one
        return abs(a * x + b * y - spent) + abs(c * x + d * y - more)

    return min(alone, key=miss)


def loads_of(kind: str) -> tuple[str, str]:
    """The names of the kind's two loads, the lighter one first."""
    found = sorted((rate, name) for name, (of, rate) in LOADS.items() if of == kind)
    return found[0][1], found[-1][1]


def costs(scale: Figures, kind: str) -> Costs:
    """The costs of a server process.

    Raises:
        Lacking: when a figure is not kept.
    """
    tails, owns = [], []
    for name in loads_of(kind):
        rate = LOADS[name][1]
        load, beside = Load(1, rate, rate), _bystander(scale, name, 1)
        alone = rate * value("scale", scale, (cell(name, 1), ONE), "servers_us")
        tails.append((load.reads, load.rows, beside))
        owns.append((load.wake_ups, load.delivered, max(alone - beside, 0.0)))
    first, row = pair(tails[0], tails[1])
    wake_up, delivery = pair(owns[0], owns[1])
    name, shards = loads_of(kind)[1], COUNTS[-1]
    more = Load(shards, LOADS[name][1] / shards, 0).reads - tails[1][0]
    read = (_bystander(scale, name, shards) - tails[1][2]) / more
    read = min(max(read, 0.0), first)
    return Costs(first - read, read, row, wake_up, delivery)


def _bystander(scale: Figures, load: str, shards: int) -> float:
    """Microseconds in a second that a bystander spends."""
    spent = value("scale", scale, (cell(load, shards), BYSTANDER), "bystander_us")
    return spent * LOADS[load][1]


def valkey_costs(scale: Figures, kind: str) -> ValkeyCosts:
    """The costs of Valkey; those of an event are from the heavier load, where events come densely.

    Raises:
        Lacking: when a figure is not kept.
    """
    reads, alone, rate = [], 0.0, 0
    for name in loads_of(kind):
        rate, of = LOADS[name][1], cell(name, 1)
        load = Load(1, rate, 0)
        alone = rate * value("scale", scale, (of, ONE), "valkey_us")
        both = rate * value("scale", scale, (of, BYSTANDER), "valkey_us")
        reads.append((load.moments, load.rows, max(both - alone, 0.0)))
    moment, row = pair(reads[0], reads[1])
    costs = ValkeyCosts(0.0, moment, row)
    return ValkeyCosts(max(alone - costs.of(0, [load]), 0.0) / rate, moment, row)


def layout(rate: float, shards: int, count: int, by_shard: bool = False) -> list[Load]:
    """The load of each process when users take turns at them, or those of a shard are at one."""
    tailed = shards // count if by_shard else shards
    return [Load(tailed, rate / shards, rate / count)] * count
