"""A network that can be spoiled: a proxy of our own on each edge, switchable while bytes flow.

A `Network` runs its edges in one event loop in one thread. An address is a path of a unix socket or
a port on loopback.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

Address = Path | int
LOOPBACK = "127.0.0.1"
_CHUNK = 65536
_NO_LINGER = struct.pack("ii", 1, 0)


class Weather(Enum):
    """What becomes of the bytes on an edge."""

    FAIR = "fair"
    # Every chunk comes later, in both directions.
    SLOW = "slow"
    # What is open is reset, and so is whoever connects.
    CUT = "cut"
    # Bytes wait, as TCP makes them wait in a partition; connections open, and nobody answers.
    BLACKHOLE = "blackhole"
    # The far end is gone and the near one never learns it: what is open stays open, in silence.
    HALF_OPEN = "half_open"
    # The request arrives, its reply does not: the connection is reset instead.
    LOST_REPLIES = "lost_replies"


@dataclass(frozen=True)
class Forecast:
    """Weather and its figures: delay in seconds; replies only to requests that hold `match`."""

    weather: Weather = Weather.FAIR
    delay: float = 0.0
    jitter: float = 0.0
    match: bytes = b""
    count: int = 1


class Edge:
    """One proxy: what connects to `listen` talks to `target`."""

    def __init__(self, name: str, listen: Address, target: Address, network: "Network") -> None:
        self.name = name
        self.listen = listen
        self.target = target
        self.lost = 0
        self._network = network
        self._forecast = Forecast()
        self._fair = asyncio.Event()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    @property
    def weather(self) -> Weather:
        """What it is like now."""
        return self._forecast.weather

    @property
    def open_count(self) -> int:
        """How many connections pass through."""
        return len(self._links)

    def pass_on(self) -> None:
        """Fair weather; what lost bytes meanwhile is reset, what was held goes on."""
        self._set(Forecast())

    def slow(self, delay: float, jitter: float = 0.0) -> None:
        """Each chunk comes `delay` ± `jitter` seconds later."""
        self._set(Forecast(Weather.SLOW, delay=delay, jitter=jitter))

    def cut(self) -> None:
        """Resets everything, and whoever comes."""
        self._set(Forecast(Weather.CUT))

    def blackhole(self) -> None:
        """Nothing comes through, and nobody is told."""
        self._set(Forecast(Weather.BLACKHOLE))

    def half_open(self) -> None:
        """The far ends are closed, the near ones hear nothing more."""
        self._set(Forecast(Weather.HALF_OPEN))

    def lose_replies(self, count: int = 1, match: bytes = b"") -> None:
        """The next `count` replies, to requests that hold `match`, are resets."""
        self._set(Forecast(Weather.LOST_REPLIES, match=match, count=count))

    def reset(self) -> None:
        """Resets what is open now; the weather stays."""
        self._network.call(self._reset_all)

    def _set(self, forecast: Forecast) -> None:
        self._network.call(lambda: self._change(forecast))

    def _change(self, forecast: Forecast) -> None:
        self._forecast, self.lost = forecast, 0
        if forecast.weather is Weather.CUT:
            self._reset_all()
        for link in list(self._links):
            link.change(forecast.weather)
        if forecast.weather is Weather.BLACKHOLE:
            self._fair.clear()
        else:
            self._fair.set()

    def _reset_all(self) -> None:
        for link in list(self._links):
            link.reset()

    async def open(self) -> None:
        """Listens. In the network's loop."""
        self._fair.set()
        if isinstance(self.listen, Path):
            self._server = await asyncio.start_unix_server(self._serve, self.listen)
        else:
            self._server = await asyncio.start_server(self._serve, LOOPBACK, self.listen)

    async def close(self) -> None:
        """Resets everything and listens no more. In the network's loop."""
        if self._server is not None:
            self._server.close()
        self._fair.set()
        self._reset_all()
        while self._links:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, writer)
        self._links.add(link)
        try:
            await link.run(reader)
        finally:
            link.reset()
            self._links.discard(link)

    async def held(self) -> None:
        """Waits until bytes may pass, and as long as they take."""
        await self._fair.wait()
        forecast = self._forecast
        if forecast.weather is Weather.SLOW:
            late = random.uniform(-forecast.jitter, forecast.jitter)
            await asyncio.sleep(max(forecast.delay + late, 0.0))

    def loses(self, request: bytes) -> bool:
        """Whether the reply to that is lost now."""
        forecast = self._forecast
        if forecast.weather is not Weather.LOST_REPLIES or self.lost >= forecast.count:
            return False
        lost = forecast.match in request
        self.lost += lost
        return lost


class _Link:
    """One connection through an edge."""

    def __init__(self, edge: Edge, near: asyncio.StreamWriter) -> None:
        self._edge = edge
        self._near = near
        self._far: asyncio.StreamWriter | None = None
        self._silent = False
        self._request = b""
        self._pumps: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    async def run(self, near_reader: asyncio.StreamReader) -> None:
        """Until one end is gone, or the link is reset."""
        if self._edge.weather is Weather.CUT:
            return
        await self._edge.held()
        try:
            far_reader, self._far = await _connect(self._edge.target)
        except OSError:
            return
        if self._over.is_set():
            return
        up = self._pump(near_reader, self._far, self._asked)
        down = self._pump(far_reader, self._near, self._answered)
        self._pumps = [asyncio.create_task(up), asyncio.create_task(down)]
        ended = asyncio.create_task(self._over.wait())
        await asyncio.wait([*self._pumps, ended], return_when=asyncio.FIRST_COMPLETED)
        if self._silent:
            await self._over.wait()
        for task in (*self._pumps, ended):
            task.cancel()
        await asyncio.gather(*self._pumps, ended, return_exceptions=True)
        with contextlib.suppress(OSError):
            # What was read to the end is still to be written.
            for writer in (self._near, self._far):
                writer.close()

    def change(self, weather: Weather) -> None:
        """The edge's weather changed."""
        if self._silent and weather is not Weather.HALF_OPEN:
            self.reset()
        elif weather is Weather.HALF_OPEN and self._far is not None:
            self._silent = True
            for pump in self._pumps:
                pump.cancel()
            _abort(self._far)

    def reset(self) -> None:
        """Ends both sides with RST."""
        self._over.set()
        for writer in (self._near, self._far):
            if writer is not None:
                _abort(writer)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seen: Callable[[bytes], bool],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if not seen(data):
                    self.reset()
                    return
                await self._edge.held()
                writer.write(data)
                await writer.drain()

    def _asked(self, data: bytes) -> bool:
        self._request = data
        return True

    def _answered(self, _data: bytes) -> bool:
        """False when this answer must not arrive."""
        return not self._edge.loses(self._request)


async def _connect(target: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(target, Path):
        return await asyncio.open_unix_connection(target)
    return await asyncio.open_connection(LOOPBACK, target)


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET and not writer.is_closing():
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


class Network:
    """Edges, and the thread that they live in."""

    def __init__(self) -> None:
        self.edges: dict[str, Edge] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network")
        self._thread.start()

    def edge(self, name: str, listen: Address, target: Address) -> Edge:
        """A new edge in fair weather."""
        edge = self.edges[name] = self.call(lambda: Edge(name, listen, target, self))
        self._run(edge.open())
        return edge

    def calm(self) -> None:
        """Fair weather everywhere."""
        for edge in self.edges.values():
            edge.pass_on()

    def close(self) -> None:
        """Ends everything; may be called twice."""
        if self._loop.is_closed():
            return
        for edge in self.edges.values():
            self._run(edge.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def call(self, work: Callable[[], Any]) -> Any:
        """The result of a plain call in the loop."""

        async def call() -> Any:
            return work()

        return self._run(call())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
