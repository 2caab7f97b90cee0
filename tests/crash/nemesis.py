"""The nemesis: draws faults from a seed, inflicts one after the other, and heals each.

Several lanes run at once, so that faults overlap: processes die while PostgreSQL is frozen. The
seed fixes what is drawn in each lane; when a process is in what line of code, it can not fix.
"""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.crash.faults import (
    ConnectionsTerminated,
    EverythingKilled,
    Fault,
    Frozen,
    Garbage,
    Killed,
    PostgresFrozen,
    PostgresKilled,
    PostgresRestarted,
    Restarted,
    Spoiled,
    ValkeyFlushed,
    ValkeyFrozen,
    ValkeyFull,
    ValkeyKilled,
)
from tests.crash.history import Recorder
from tests.crash.installation import Installation, Process
from tests.services import Postgres

Span = tuple[float, float]


@dataclass(frozen=True)
class Evil:
    """A kind of fault: how often it is drawn, and for how many seconds it lasts."""

    share: int
    make: Callable[[random.Random], Fault]
    lasts: Span = (0.0, 0.0)


@dataclass(frozen=True)
class Strike:
    """One drawn fault, how long it lasts, and how long it is quiet afterwards."""

    fault: Fault
    seconds: float
    pause: float


class Lane(threading.Thread):
    """One thread of evil, until it is stopped or has killed `kills` processes."""

    def __init__(
        self,
        name: str,
        evils: Sequence[Evil],
        recorder: Recorder,
        seed: int,
        *,
        pause: Span,
        kills: int | None = None,
        seen: Callable[[Fault], None] = lambda _: None,
    ) -> None:
        super().__init__(name=f"nemesis-{name}", daemon=True)
        self.counts: Counter[str] = Counter()
        self.kills = 0
        self.kills_at_work = 0
        self.failure: BaseException | None = None
        self._evils = evils
        self._recorder = recorder
        self._dice = random.Random(f"{seed}-{name}")
        self._pause = pause
        self._most_kills = kills
        self._seen = seen
        self._stopped = threading.Event()

    def draw(self) -> Strike:
        """The next one."""
        dice = self._dice
        [evil] = dice.choices(self._evils, [evil.share for evil in self._evils])
        return Strike(evil.make(dice), dice.uniform(*evil.lasts), dice.uniform(*self._pause))

    def stop(self) -> None:
        """Ends it; what is inflicted is healed first.

        Raises:
            Exception: what broke the nemesis itself.
        """
        self._stopped.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def run(self) -> None:
        try:
            while not self._stopped.is_set():
                if self._most_kills is not None and self.kills >= self._most_kills:
                    return
                self._strike(self.draw())
        except BaseException as error:  # noqa: BLE001 - told by whoever stops it
            self.failure = error

    def _strike(self, strike: Strike) -> None:
        fault = strike.fault
        begun = time.monotonic()
        self._recorder.fault(fault.kind, fault.target, {"seconds": round(strike.seconds, 2)})
        self._seen(fault)
        try:
            fault.inflict()
            self._stopped.wait(strike.seconds)
        finally:
            fault.heal()
        self._recorder.fault("healed", fault.target, {"of": fault.kind})
        self.counts[fault.kind] += 1
        self.kills += fault.kills
        self.kills_at_work += isinstance(fault, Killed) and fault.was_up
        self._stopped.wait(max(strike.pause - (time.monotonic() - begun - strike.seconds), 0))


def deaths(house: Installation) -> list[Evil]:
    """SIGKILL of one process of ours."""
    evils = [
        Evil(85, lambda dice: Killed(_victim(dice, house.workers)), (0.0, 0.2)),
        Evil(15, lambda dice: Killed(_victim(dice, house.servers)), (0.0, 0.3)),
    ]
    if (http := house.http) is not None:
        evils.append(Evil(5, lambda _: Killed(http), (0.0, 0.3)))
    return evils


def _victim(dice: random.Random, processes: Sequence[Process]) -> Process:
    """The one that is drawn, or another if that only starts: its death would show little."""
    drawn = dice.choice(processes)
    return next((process for process in [drawn, *processes] if process.is_up), drawn)


def worker_deaths(house: Installation) -> list[Evil]:
    """SIGKILL of a worker, which its supervisor starts again."""
    return [Evil(1, lambda dice: Killed(dice.choice(house.workers)), (0.0, 0.2))]


def worker_freezes(house: Installation, lease_seconds: float) -> list[Evil]:
    """Workers that freeze for longer than their leases, and wake as zombies."""
    lasts = (1.4 * lease_seconds, 1.7 * lease_seconds)
    return [Evil(1, lambda dice: Frozen(dice.choice(house.workers)), lasts)]


def stalls(house: Installation, lease_seconds: float) -> list[Evil]:
    """Processes that freeze, some for longer than their leases, or restart; and a cold start."""
    return [
        Evil(8, lambda dice: Frozen(dice.choice(house.workers)), (0.1, 2 * lease_seconds)),
        Evil(3, lambda dice: Frozen(dice.choice(house.servers)), (0.1, 2.0)),
        Evil(4, lambda dice: Restarted(dice.choice(house.processes))),
        Evil(1, lambda _: EverythingKilled(house), (0.0, 0.5)),
    ]


def outages(house: Installation) -> list[Evil]:
    """What happens to Valkey, and what comes through it."""
    valkey = house.valkey
    return [
        Evil(3, lambda _: ValkeyKilled(valkey), (0.0, 3.0)),
        Evil(3, lambda _: ValkeyFlushed(valkey)),
        Evil(3, lambda _: ValkeyFrozen(valkey), (0.2, 4.0)),
        Evil(2, lambda _: ValkeyFull(valkey), (0.5, 4.0)),
        Evil(2, lambda _: Garbage(valkey)),
    ]


def database_outages(postgres: Postgres, database: str) -> list[Evil]:
    """What happens to PostgreSQL."""
    return [
        Evil(2, lambda _: PostgresRestarted(postgres), (0.0, 1.0)),
        Evil(2, lambda _: PostgresRestarted(postgres, signal.SIGQUIT), (0.0, 1.0)),
        Evil(2, lambda _: PostgresKilled(postgres), (0.0, 1.0)),
        Evil(2, lambda _: PostgresFrozen(postgres), (0.5, 6.0)),
        Evil(3, lambda _: ConnectionsTerminated(postgres, database)),
    ]


def bad_weather(house: Installation) -> list[Evil]:
    """What happens between the processes."""
    assert house.network is not None
    edges = list(house.network.edges.values())

    def spoiled(weather: str, **figures: float) -> Callable[[random.Random], Fault]:
        return lambda dice: Spoiled(dice.choice(edges), weather, **figures)

    return [
        Evil(3, spoiled("slow", delay=0.2, jitter=0.2), (0.5, 3.0)),
        Evil(3, spoiled("cut"), (0.0, 2.0)),
        Evil(3, spoiled("blackhole"), (0.5, 6.0)),
        Evil(3, spoiled("half_open"), (0.5, 3.0)),
        Evil(6, spoiled("lose_replies", count=3), (0.2, 1.0)),
    ]
