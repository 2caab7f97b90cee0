"""The process of a user who floods: `python -m bench.systems.flood PORT TOKEN`.

It answers {"path", "request", "streaming", "rate", "at_once", "seconds"} with {"sent", "answered",
"refused"}: it begins `rate` calls a second, but never has more than `at_once` under way. `request`
is in base64. Each stream has a connection of its own, which is dropped after STREAM_SECONDS.
"""

import asyncio
import base64
import json
import sys
from dataclasses import dataclass
from typing import Any

import uvloop

from bench.harness.client import lines, say
from bench.harness.http2 import Connection, Stream, call_headers
from bench.harness.systems import Pace

HOST, CONNECTIONS = "127.0.0.1", 8
TICK_SECONDS = 0.005
STREAM_SECONDS = 2.0


@dataclass(slots=True)
class Counts:
    """What became of the calls of one flood."""

    sent: int = 0
    answered: int = 0
    refused: int = 0
    under_way: int = 0

    def begin(self) -> Stream:
        """Counts a call, and gives what counts its end."""
        is_answered = False

        def message(_: bytes) -> None:
            nonlocal is_answered
            self.answered += not is_answered
            is_answered = True

        def ended(_: bytes) -> None:
            self.under_way -= 1
            self.refused += not is_answered

        self.sent += 1
        self.under_way += 1
        return Stream(message, ended)


class Flooder:
    """One user's connections."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._open: list[Connection] = []

    async def flood(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begins as many calls as are asked for. Drops what is under way at the end."""
        headers, request = (
            call_headers(asked["path"], self._token),
            base64.b64decode(asked["request"]),
        )
        loop, counts, streaming = asyncio.get_running_loop(), Counts(), asked["streaming"]
        if not streaming:
            self._open = [await self._connect() for _ in range(CONNECTIONS)]
        pace = Pace(asked["rate"], asked["seconds"], loop.time())
        while not pace.finished:
            for _ in range(min(pace.due(loop.time()), asked["at_once"] - counts.under_way)):
                connection = await self._next(counts.sent, streaming)
                connection.call(headers, request, counts.begin())
            await asyncio.sleep(TICK_SECONDS)
        answer = {"sent": counts.sent, "answered": counts.answered, "refused": counts.refused}
        for connection in self._open:
            connection.close()
        self._open = []
        return answer

    async def _next(self, number: int, streaming: bool) -> Connection:
        if not streaming:
            return self._open[number % CONNECTIONS]
        connection = await self._connect()
        asyncio.get_running_loop().call_later(STREAM_SECONDS, self._drop, connection)
        self._open.append(connection)
        return connection

    def _drop(self, connection: Connection) -> None:
        if connection in self._open:
            self._open.remove(connection)
            connection.drop()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(Connection, HOST, self._port))[1]


async def _serve(port: int, token: str) -> None:
    flooder = Flooder(port, token)
    say({})
    reader = await lines()
    while line := await reader.readline():
        say(await flooder.flood(json.loads(line)))


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
