"""The client process of gRPC systems: holds all watchers, and counts what they get.

`python -m bench.harness.client PLAN` reads who watches where from the file PLAN (`Plan`) and speaks
as `systems` says, but its hello comes when it has read the plan. Beyond that it knows:
    {"do": "open", "count", "seconds"}: opens the first `count` watches at once, those that had been
        open before with their last tokens; waits until each is live or has ended, at most so long:
        what `end` answers and {"open", "seconds", "p50_s", "p99_s"}, the times until they were live
    {"do": "leave"} drops all connections: {}
`connect` starts it.
"""

import asyncio
import base64
import json
import statistics
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from google.protobuf.message import Message

from bench.harness.http2 import Connection, Stream, call_headers
from bench.harness.processes import Child, Died, python, resident_kib
from bench.harness.results import percentile
from bench.harness.systems import read_stamp
from rushes.v1 import media_service_pb2 as pb

PATH = "/rushes.v1.MediaService/WatchJobs"
OPEN_SECONDS = 60.0
SETTLE_SECONDS = 0.5
FEW = 20
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom the client watches for: a token, a request and a connection for each watcher.

    `ports` has the port of each connection, `places` the connection of each watcher.
    """

    host: str
    ports: list[int]
    places: list[int]
    tokens: list[str]
    requests: list[str]  # base64 of a WatchJobsRequest, or of what the client asks for


@dataclass(frozen=True, slots=True)
class Connected:
    """The client with all watches open.

    `before_kib` is the servers' resident memory without them, `refused` how many were turned away.
    """

    client: Child
    before_kib: int
    refused: int
    seconds: float


def request(**fields: Any) -> str:
    """A request for the plan."""
    return encoded(pb.WatchJobsRequest(**fields))


def encoded(message: Message) -> str:
    """A request as the plan has it."""
    return base64.b64encode(message.SerializeToString()).decode()


def together(watchers: int, connections: int) -> list[int]:
    """The connection of each watcher when those that stand together share one."""
    return [place * connections // watchers for place in range(watchers)]


def connect(
    stack: ExitStack,
    plan: Plan,
    folder: Path,
    *servers: int,
    module: str = "bench.harness.client",
) -> Connected:
    """Starts the client, which is `module`, and opens all watches. `stack` ends it. `servers` are
    processes.

    Before that a few watches come and go, so that what a server sets up at its first call is no
    part of what its watchers cost.
    """
    path, count = folder / "plan.json", len(plan.tokens)
    path.write_text(json.dumps(asdict(plan)))
    client = Child(python(module, str(path)))
    stack.callback(client.end)
    client.hello()
    client.ask(do="open", count=min(FEW, count), seconds=OPEN_SECONDS)
    client.ask(do="leave")
    time.sleep(SETTLE_SECONDS)
    before = sum(resident_kib(server) for server in servers)
    opened = client.ask(timeout=OPEN_SECONDS * 2, do="open", count=count, seconds=OPEN_SECONDS)
    if not opened["open"]:
        raise Died(f"the server turned all watchers away: {opened['last_words']}")
    return Connected(client, before, count - opened["open"], opened["seconds"])


class Counts:
    """What came since `begin`, over all watchers."""

    def __init__(self) -> None:
        self.delivered = self.repeated = self.refused = 0
        self.ages: list[float] = []
        self.sizes: list[int] = []
        self.last_words = ""

    def to_json(self) -> dict[str, Any]:
        """As `end` answers."""
        ages = sorted(self.ages)
        return {
            "delivered": self.delivered,
            "repeated": self.repeated,
            "refused": self.refused,
            "bytes": statistics.median(self.sizes) if self.sizes else 0,
            "p50_ms": percentile(ages, 0.5) * 1000,
            "p99_ms": percentile(ages, 0.99) * 1000,
            "most_ms": percentile(ages, 1.0) * 1000,
            "last_words": self.last_words,
        }


class Watcher:
    """One watch, which may be opened again with its last token."""

    def __init__(self, token: str, request: bytes, counts: Counts) -> None:
        self.counts = counts
        self.live_at = 0.0
        self.ended = False
        self.credentials = token
        self.request = request
        self.resume_token = ""
        self._numbers: Counter[str] = Counter()

    @property
    def is_live(self) -> bool:
        """Whether it has caught up and goes on."""
        return self.live_at > 0 and not self.ended

    def open(self, connection: Any) -> None:
        """Opens the watch; with the last token if there is one."""
        self.live_at, self.ended = 0.0, False
        asked = pb.WatchJobsRequest.FromString(self.request)
        asked.resume_token = self.resume_token
        stream = Stream(self._take, self._end)
        connection.call(call_headers(PATH, self.credentials), asked.SerializeToString(), stream)

    def _take(self, message: bytes) -> None:
        now = time.time()
        response = pb.WatchJobsResponse.FromString(message)
        self.resume_token = response.resume_token
        events = response.events
        for event in events:
            kind = event.WhichOneof("event")
            if kind == "progress":
                self.count(kind, event.progress.progress.message, now)
            elif kind == "job":
                if event.job.type != pb.JobEvent.CURRENT:
                    self.count(kind, event.job.job.progress.message, now)
            elif kind == "synced":
                self.live_at = now
        if len(events) == 1:
            self.counts.sizes.append(len(message))

    def count(self, source: str, text: str, now: float) -> None:
        """Takes notice of an event with that stamp. The numbers of a source rise."""
        counts = self.counts
        number, published = read_stamp(text)
        if number <= self._numbers[source]:
            counts.repeated += 1
            return
        self._numbers[source] = number
        counts.delivered += 1
        counts.ages.append(now - published)

    def _end(self, said: bytes) -> None:
        self.ended = True
        self.counts.refused += 1
        self.counts.last_words = said.decode("ascii", "replace")


class Fleet:
    """All watchers."""

    connection: type[Any] = Connection
    watcher = Watcher

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.counts = Counts()
        pairs = zip(plan.tokens, plan.requests, strict=True)
        self._watchers = [self.watcher(t, base64.b64decode(r), self.counts) for t, r in pairs]
        self._open: list[Watcher] = []
        self._connections: dict[int, Any] = {}

    async def open(self, count: int, seconds: float) -> dict[str, Any]:
        """Opens so many watches at once, and waits until each is live or refused."""
        self.begin()
        plan, begun = self._plan, time.time()
        self._open = self._watchers[:count]
        for place, watcher in zip(plan.places, self._open, strict=False):
            if place not in self._connections:
                self._connections[place] = await self._connect(plan.ports[place])
            watcher.open(self._connections[place])
        while self._waits() and time.time() - begun < seconds:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        took = time.time() - begun
        ages = sorted(watcher.live_at - begun for watcher in self._open if watcher.is_live)
        return self.counts.to_json() | {
            "open": len(ages),
            "seconds": took,
            "p50_s": percentile(ages, 0.5),
            "p99_s": percentile(ages, 0.99),
        }

    async def _connect(self, port: int) -> Any:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(self.connection, self._plan.host, port))[1]

    def _waits(self) -> bool:
        return any(not (watcher.live_at or watcher.ended) for watcher in self._open)

    def begin(self) -> None:
        """Forgets what was counted."""
        self.counts = Counts()
        for watcher in self._watchers:
            watcher.counts = self.counts

    async def leave(self) -> None:
        """Drops all connections."""
        connections = self._connections.values()
        for connection in connections:
            connection.close()
        while not all(connection.lost for connection in connections):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        self._connections = {}


async def lines() -> asyncio.StreamReader:
    """The standard input of the process."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def say(answer: dict[str, Any]) -> None:
    """Answers with a line of JSON."""
    print(json.dumps(answer), flush=True)


def read_plan() -> Plan:
    """The plan in the file that the first argument names."""
    return Plan(**json.loads(Path(sys.argv[1]).read_text()))


async def serve(fleet: Fleet) -> None:
    """Does what lines of JSON ask for (`bench.harness.systems`)."""
    say({})
    reader = await lines()
    while line := await reader.readline():
        asked = json.loads(line)
        say(await _answer(fleet, asked))


async def _answer(fleet: Fleet, asked: dict[str, Any]) -> dict[str, Any]:
    match asked["do"]:
        case "begin":
            fleet.begin()
        case "count":
            return {"delivered": fleet.counts.delivered}
        case "end":
            return fleet.counts.to_json()
        case "open":
            return await fleet.open(asked["count"], asked["seconds"])
        case "leave":
            await fleet.leave()
    return {}


if __name__ == "__main__":
    uvloop.run(serve(Fleet(read_plan())))
