"""The client process of gRPC systems: holds all watchers, and counts what they get.

`python -m bench.harness.client PLAN` reads who watches where from the file PLAN (`Plan`), opens all
watches at once, and speaks as `systems` says. Beyond that it knows:
    {"do": "leave"} drops all connections: {}
    {"do": "return", "seconds"}: opens all watches again with their last tokens, and waits until
        each is live again: {"seconds", "p50_s", "p99_s", "delivered", "repeated", "refused"}
"""

import asyncio
import base64
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench.harness.http2 import Connection, Header, Stream
from bench.harness.systems import read_stamp
from rushes.v1 import media_service_pb2 as pb

PATH = "/rushes.v1.MediaService/WatchJobs"
OPEN_SECONDS = 60.0
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom the client watches for: a token and a request for each watcher.

    Watchers that stand together share a connection.
    """

    host: str
    port: int
    connections: int
    tokens: list[str]
    requests: list[str]  # base64 of a WatchJobsRequest

    def write(self, path: Path) -> None:
        """Where the client reads it."""
        path.write_text(json.dumps(asdict(self)))


def request(**fields: Any) -> str:
    """A request for the plan."""
    return base64.b64encode(pb.WatchJobsRequest(**fields).SerializeToString()).decode()


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


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie; 0 of nothing."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class Watcher:
    """One watch, which may be opened again with its last token."""

    def __init__(self, token: str, request: bytes, counts: Counts) -> None:
        self.counts = counts
        self.live_at = 0.0
        self.ended = False
        self._headers = _headers(token)
        self._request = request
        self._token = ""
        self._numbers = {"job": 0, "progress": 0}

    def open(self, connection: Connection) -> None:
        """Opens the watch; with the last token if there is one."""
        self.live_at, self.ended = 0.0, False
        asked = pb.WatchJobsRequest.FromString(self._request)
        asked.resume_token = self._token
        stream = Stream(self._take, self._end)
        connection.call(self._headers, asked.SerializeToString(), stream)

    def _take(self, message: bytes) -> None:
        now = time.time()
        response = pb.WatchJobsResponse.FromString(message)
        self._token = response.resume_token
        events = response.events
        for event in events:
            kind = event.WhichOneof("event")
            if kind == "progress":
                self._count(kind, event.progress.progress.message, now)
            elif kind == "job":
                if event.job.type != pb.JobEvent.CURRENT:
                    self._count(kind, event.job.job.progress.message, now)
            elif kind == "synced":
                self.live_at = now
        if len(events) == 1:
            self.counts.sizes.append(len(message))

    def _count(self, kind: str, text: str, now: float) -> None:
        counts = self.counts
        number, published = read_stamp(text)
        if number <= self._numbers[kind]:
            counts.repeated += 1
            return
        self._numbers[kind] = number
        counts.delivered += 1
        counts.ages.append(now - published)

    def _end(self, said: bytes) -> None:
        self.ended = True
        self.counts.refused += 1
        self.counts.last_words = said.decode("ascii", "replace")


class Fleet:
    """All watchers."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.counts = Counts()
        pairs = zip(plan.tokens, plan.requests, strict=True)
        self._watchers = [Watcher(t, base64.b64decode(r), self.counts) for t, r in pairs]
        self._connections: list[Connection] = []

    async def open(self, seconds: float = OPEN_SECONDS) -> float:
        """Opens every watch at once and waits until each is live or refused; gives the seconds."""
        loop, plan, begun = asyncio.get_running_loop(), self._plan, time.time()
        self._connections = []
        for _ in range(plan.connections):
            _, connection = await loop.create_connection(Connection, plan.host, plan.port)
            self._connections.append(connection)
        each = len(self._watchers) / plan.connections
        for place, watcher in enumerate(self._watchers):
            watcher.open(self._connections[int(place / each)])
        while self._waits() and time.time() - begun < seconds:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        return time.time() - begun

    def _waits(self) -> bool:
        return any(not (watcher.live_at or watcher.ended) for watcher in self._watchers)

    def begin(self) -> None:
        """Forgets what was counted."""
        self.counts = Counts()
        for watcher in self._watchers:
            watcher.counts = self.counts

    async def leave(self) -> None:
        """Drops all connections."""
        for connection in self._connections:
            connection.close()
        while not all(connection.lost for connection in self._connections):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)

    async def come_back(self, seconds: float) -> dict[str, Any]:
        """Opens all watches again; says how long it took until they had caught up."""
        self.begin()
        begun = time.time()
        took = await self.open(seconds)
        ages = sorted(w.live_at - begun for w in self._watchers if w.live_at)
        return self.counts.to_json() | {
            "seconds": took,
            "p50_s": percentile(ages, 0.5),
            "p99_s": percentile(ages, 0.99),
        }

    def hello(self, seconds: float) -> dict[str, Any]:
        """The first line of the process."""
        live = sum(1 for watcher in self._watchers if watcher.live_at and not watcher.ended)
        return {
            "open": live,
            "refused": len(self._watchers) - live,
            "seconds": seconds,
            "last_words": self.counts.last_words,
        }


def _headers(token: str) -> list[Header]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PATH),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("authorization", f"Bearer {token}"),
    ]


async def lines() -> asyncio.StreamReader:
    """The standard input of the process."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def say(answer: dict[str, Any]) -> None:
    """Answers with a line of JSON."""
    print(json.dumps(answer), flush=True)


async def _serve(plan: Plan) -> None:
    fleet = Fleet(plan)
    say(fleet.hello(await fleet.open()))
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
        case "leave":
            await fleet.leave()
        case "return":
            return await fleet.come_back(asked["seconds"])
    return {}


if __name__ == "__main__":
    uvloop.run(_serve(Plan(**json.loads(Path(sys.argv[1]).read_text()))))
