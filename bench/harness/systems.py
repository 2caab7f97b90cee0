"""The seam between the harness and what it measures: the product, the floor, and each peer.

A System is started with its client and its publisher, which are processes of their own (`Child`).
They speak lines of JSON: one line of hello when they are ready, then one answer to each command.

Client, which holds all watchers open:
    hello: {"open": watchers that are live, "refused": watchers that were turned away, "seconds"}
    {"do": "begin"} forgets what was counted: {}
    {"do": "count"}: {"delivered"}, distinct events over all watchers since `begin`
    {"do": "end"}: {"delivered", "repeated", "refused", "bytes", "p50_ms", "p99_ms", "most_ms",
        "last_words"}; `refused` counts the watches that ended, `last_words` is what the server said
        to the last of them, `bytes` is the size of a message with one event

Publisher:
    hello: {}
    {"kind", "rate", "seconds", "bytes"}: publishes and answers {"sent", "late_ms"}

`kind` is "progress" or "state", `rate` is in deliveries a second (an event to a user with ten
devices is ten), `sent` counts deliveries too, and `late_ms` is how late the latest event was. Users
take turns in a fixed order. Every event carries `stamp(number, seconds)`: its number among its
user's events of that kind, counted from 1, and the Unix time when it was published. So a client
sees what is missing or came twice, and how old an event is.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from bench.harness.processes import Child

KINDS = ("progress", "state")
STAMP_SIZE = 24
TICK_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Shape:
    """Who watches: `users` with `devices` each, all on so many TCP connections (0: one each)."""

    users: int
    devices: int = 1
    connections: int = 10

    @property
    def watchers(self) -> int:
        """How many watchers there are."""
        return self.users * self.devices

    @property
    def connection_count(self) -> int:
        """How many TCP connections they have."""
        return self.connections or self.watchers


@dataclass(frozen=True, slots=True)
class Load:
    """What is published: deliveries a second. `bytes` is how large a message of the floor is."""

    kind: str
    rate: int
    seconds: float
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """A System that serves. `pids` are by role: server, envoy, valkey, database, publisher, client.

    The children of a process count with it. Where the publisher is the server there is no role of
    its own. `before_kib` is the server's resident memory before the watchers came, of all servers
    if there are several (`server-2` and so on).
    """

    pids: dict[str, int]
    client: Child
    publisher: Child
    refused: int = 0
    connect_seconds: float = 0.0
    before_kib: int = 0
    versions: dict[str, str] = field(default_factory=dict)


class System(Protocol):
    """The product, the floor or a peer."""

    @property
    def name(self) -> str:
        """As tables show it: `rushes`, `floor`, `socket.io-streams`..."""

    def start(self, shape: Shape) -> AbstractContextManager[Running]:
        """Started with all watchers live; ended with everything that it started."""


def stamp(number: int, seconds: float) -> str:
    """What every event carries; always STAMP_SIZE characters."""
    return f"{number:06d} {seconds:017.6f}"


def read_stamp(text: str) -> tuple[int, float]:
    """The number and the time of a stamp."""
    return int(text[:6]), float(text[7:])


class Pace:
    """Says how many events are due, so that a late publisher catches up and the rate holds."""

    def __init__(self, rate: float, seconds: float, now: float) -> None:
        self.total = round(rate * seconds)
        self.late_seconds = 0.0
        self._rate = rate
        self._begun = now
        self._done = 0

    @property
    def finished(self) -> bool:
        """Whether all are published."""
        return self._done >= self.total

    def due(self, now: float) -> int:
        """How many to publish now."""
        due = min(int((now - self._begun) * self._rate), self.total) - self._done
        if due > 0:
            self._done += due
        return max(due, 0)

    def published(self, now: float) -> None:
        """Takes notice that all that was due is published: how late is the first of it?"""
        behind = (now - self._begun) - (self._done / self._rate)
        self.late_seconds = max(self.late_seconds, behind)
