"""The CPU of a server process and of Valkey as a sum of rates times costs.

A server process pays for being woken, for the reads of its tails, for their rows (events of all
users in its shards), for wake-ups that have something for its watchers, for what is delivered to
them, and for watchers to whom nothing happens. A bystander at a low rate and an unheard load at a
high one give the costs of a tail; one process at two rates gives those of its watchers; a bystander
on four shards tells what a read costs a process that is awake. Everything else is a prediction.
Valkey is reckoned alike, from one reader and from two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.harness.results import Figures
from bench.scale import BYSTANDER, COUNTS, LOADS, UNHEARD, UNHEARD_RATE, cell, of_processes
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


def costs(scale: Figures, idle: Figures, kind: str) -> Costs:
    """The costs of a server process, without those of idle watchers.

    Raises:
        Lacking: when a figure is not kept.
    """
    light, heavy = loads_of(kind)
    dense = Load(1, UNHEARD_RATE, 0)
    spent = UNHEARD_RATE * value("scale-idle", idle, (UNHEARD, ONE), "bystander_us")
    sparse = Load(1, LOADS[light][1], 0)
    first, row = pair(
        (sparse.reads, sparse.rows, _bystander(scale, light, 1)), (dense.reads, dense.rows, spent)
    )
    tail = Costs(first, 0.0, row, 0.0, 0.0)
    wake_up, delivery = pair(_own(scale, tail, light), _own(scale, tail, heavy))
    tails = Load(COUNTS[-1], LOADS[heavy][1] / COUNTS[-1], 0)
    more = _bystander(scale, heavy, COUNTS[-1]) - tail.of(tails)
    read = min(max(more / (tails.reads - tails.moments), 0.0), first)
    return Costs(first - read, read, row, wake_up, delivery)


def _own(scale: Figures, tail: Costs, load: str) -> tuple[float, float, float]:
    """Wake-ups of watchers and events delivered in a second at one process, and what they cost."""
    rate = LOADS[load][1]
    its = Load(1, rate, rate)
    spent = rate * value("scale", scale, (cell(load, 1), ONE), "servers_us")
    return its.wake_ups, its.delivered, max(spent - tail.of(its), 0.0)


def _bystander(scale: Figures, load: str, shards: int) -> float:
    """Microseconds in a second that a bystander spends."""
    spent = value("scale", scale, (cell(load, shards), BYSTANDER), "bystander_us")
    return spent * LOADS[load][1]


def valkey_costs(scale: Figures, idle: Figures, kind: str) -> ValkeyCosts:
    """The costs of Valkey. An event is cheaper than here where many more come at once.

    Raises:
        Lacking: when a figure is not kept.
    """
    light, heavy = loads_of(kind)
    sparse, dense = Load(1, LOADS[light][1], 0), Load(1, UNHEARD_RATE, 0)
    few = [_valkey(scale, (cell(light, 1), system), LOADS[light][1]) for system in (ONE, BYSTANDER)]
    many = [_valkey(idle, (UNHEARD, system), UNHEARD_RATE) for system in (ONE, BYSTANDER)]
    moment, row = pair(
        (sparse.moments, sparse.rows, max(few[1] - few[0], 0.0)),
        (dense.moments, dense.rows, max(many[1] - many[0], 0.0)),
    )
    reader, rate = ValkeyCosts(0.0, moment, row), LOADS[heavy][1]
    alone = _valkey(scale, (cell(heavy, 1), ONE), rate)
    event = (alone - reader.of(0, [Load(1, rate, 0)])) / rate
    return ValkeyCosts(max(event, 0.0), moment, row)


def _valkey(figures: Figures, of: tuple[str, str], rate: float) -> float:
    """Microseconds in a second that Valkey spends."""
    return rate * value(figures.name, figures, of, "valkey_us")


def layout(rate: float, shards: int, count: int, by_shard: bool = False) -> list[Load]:
    """The load of each process when users take turns at them, or those of a shard are at one."""
    tailed = shards // count if by_shard else shards
    return [Load(tailed, rate / shards, rate / count)] * count
