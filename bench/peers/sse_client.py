"""Holds all watchers of server-sent events, a connection each, and counts what they get:
`-m bench.peers.sse_client PORT USERS DEVICES`."""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp
import uvloop

from bench.harness.systems import read_stamp

AT_ONCE = 50
OPEN_SECONDS = 60


class Counts:
    """What came since `begin`, over all watchers."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, str, int]] = set()
        self.repeated = self.refused = self.bytes = 0
        self.ages: list[float] = []

    def take(self, watcher: int, data: bytes) -> None:
        """An event for the watcher."""
        event = json.loads(data)
        number, published = read_stamp(event["stamp"])
        mark = (watcher, event["kind"], number)
        if mark in self.seen:
            self.repeated += 1
            return
        self.seen.add(mark)
        self.bytes = self.bytes or len(data)
        self.ages.append(time.time() - published)

    def result(self) -> dict[str, Any]:
        """As `end` answers."""
        ages = sorted(self.ages) or [0.0]
        p50, p99 = (ages[int(len(ages) * share)] * 1000 for share in (0.5, 0.99))
        return {
            "delivered": len(self.seen),
            "repeated": self.repeated,
            "refused": self.refused,
            "bytes": self.bytes,
            "p50_ms": p50,
            "p99_ms": p99,
            "most_ms": ages[-1] * 1000,
        }


class Watchers:
    """All of them."""

    def __init__(self, session: aiohttp.ClientSession, port: int, count: int, devices: int) -> None:
        self.counts = Counts()
        self._session = session
        self._address = f"http://127.0.0.1:{port}/events/user-"
        self._count, self._devices = count, devices
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._live = [asyncio.Event() for _ in range(count)]

    async def open(self, group: asyncio.TaskGroup) -> dict[str, Any]:
        """Opens every watch and waits until each is live; the first line of the process."""
        begun = time.time()
        self._tasks = [group.create_task(self._watch(place)) for place in range(self._count)]
        for live in self._live:
            await live.wait()
        seconds = time.time() - begun
        return {"open": self._count - self.counts.refused, "refused": 0, "seconds": seconds}

    def close(self) -> None:
        """Ends every watch."""
        for task in self._tasks:
            task.cancel()

    async def _watch(self, place: int) -> None:
        await self._gate.acquire()
        try:
            async with self._session.get(f"{self._address}{place // self._devices}") as response:
                async for line in response.content:
                    if line.startswith(b"data: "):
                        self.counts.take(place, line[6:-1])
                    elif not self._live[place].is_set() and line.startswith(b": live"):
                        self._live[place].set()
                        self._gate.release()
        except aiohttp.ClientError:
            self.counts.refused += 1
            self._live[place].set()


async def _serve(port: int, users: int, devices: int) -> None:
    unlimited = aiohttp.TCPConnector(limit=0)
    forever = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=unlimited, timeout=forever) as session:
        watchers = Watchers(session, port, users * devices, devices)
        async with asyncio.TaskGroup() as group:
            print(json.dumps(await watchers.open(group)), flush=True)
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
            )
            while line := await reader.readline():
                print(json.dumps(_answer(watchers, json.loads(line))), flush=True)
            watchers.close()


def _answer(watchers: Watchers, asked: dict[str, Any]) -> dict[str, Any]:
    match asked["do"]:
        case "begin":
            watchers.counts = Counts()
        case "count":
            return {"delivered": len(watchers.counts.seen)}
        case "end":
            return watchers.counts.result()
    return {}


if __name__ == "__main__":
    uvloop.run(_serve(*map(int, sys.argv[1:])))
