"""A provider on loopback whose operations never end: it answers polls as the Gemini API does.

Bare of all else, so that it costs the cores that it shares with a worker as little as can be.
At SIGTERM it writes `<place> <second>` of each poll to the file it was given, and ends.
"""

import argparse
import asyncio
import json
import re
import signal
import time
from functools import partial
from pathlib import Path

_REQUEST = re.compile(rb"GET /v1/interactions/op-(\d+)(?:\?\S*)? HTTP/1\.1\r\n")
_END = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """One kept-open connection; its client asks one thing at a time."""

    def __init__(self, latency: float, polls: list[tuple[int, float]]) -> None:
        self._latency = latency
        self._polls = polls
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps what answers are written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers a whole request after the latency."""
        self._read += data
        if not self._read.endswith(_END):
            return
        found = _REQUEST.match(self._read)
        self._read = b""
        if found is None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        self._polls.append((int(found[1]), time.time()))
        answer = _answer(found[1].decode())
        asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)


def _answer(place: str) -> bytes:
    interaction = {
        "id": f"op-{place}",
        "object": "interaction",
        "model": "gemini-omni-1.2-flash",
        "created": "2026-11-21T10:00:00Z",
        "updated": "2026-11-21T10:00:00Z",
        "status": "in_progress",
        "steps": [],
    }
    body = json.dumps(interaction).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + _END + body


async def _serve(latency: float, polls: list[tuple[int, float]]) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(partial(_Connection, latency, polls), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    """Prints its port and serves until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--latency-ms", type=int, default=200)
    asked = parser.parse_args()
    polls: list[tuple[int, float]] = []
    asyncio.run(_serve(asked.latency_ms / 1000, polls))
    asked.log.write_text("".join(f"{place} {at:.4f}\n" for place, at in polls))


if __name__ == "__main__":
    main()
