"""A raw HTTP/1.1 client: it reads as slowly as a test wants, and hides nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

DEADLINE_SECONDS = 20.0


@dataclass
class Answer:
    """Status, headers (lower case), and a body that is read on demand."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader

    async def chunk(self) -> bytes:
        """The next piece as it came in; empty at the end."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            size = int(await self.reader.readline(), 16)
            piece = await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            return piece

    async def body(self) -> bytes:
        """All of it."""
        if "content-length" in self.headers:
            return await self.reader.readexactly(int(self.headers["content-length"]))
        if self.headers.get("transfer-encoding") != "chunked":
            return await self.reader.read()
        pieces = []
        while piece := await self.chunk():
            pieces.append(piece)
        return b"".join(pieces)

    async def json(self) -> Any:
        """All of it, as JSON."""
        return json.loads(await self.body())


@asynccontextmanager
async def http(
    port: int,
    line: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    limit: int = 2**16,
) -> AsyncIterator[Answer]:
    """One request on a connection of its own; `line` is method and path, as `GET /v1/jobs`.

    A body goes as it is: with `transfer-encoding` it must be in chunks.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    try:
        fields = {"host": f"localhost:{port}", **(headers or {})}
        if body and "transfer-encoding" not in fields:
            fields["content-length"] = str(len(body))
        version = "" if " HTTP/" in line else " HTTP/1.1"
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"{line}{version}\r\n{head}\r\n".encode() + body)
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer = await _answer(reader)
        yield answer
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return Answer(int(first.split()[1]), {k.lower(): v.strip() for k, v in pairs}, reader)


def frame(message: bytes) -> bytes:
    """A gRPC message as it goes over the wire."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """(flag, message) pairs of a gRPC-Web body; flag 128 is the trailers."""
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        found.append((body[0], body[5 : 5 + size]))
        body = body[5 + size :]
    return found
