"""The receiver of a bench's webhooks: it takes each delivery after a while, and counts those there.

Bare of all else, so that it costs the cores that it shares with a worker as little as can be. A GET
is answered at once with how many deliveries are there now and how many were ever. The first line of
its output is its port.
"""

import argparse
import asyncio
import signal

_END = b"\r\n\r\n"
_TAKEN = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class _Count:
    def __init__(self) -> None:
        self.now = 0
        self.ever = 0


class _Connection(asyncio.Protocol):
    """One request, and its answer after the time."""

    def __init__(self, hold: float, count: _Count) -> None:
        self._hold = hold
        self._count = count
        self._is_counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps what the answer is written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Takes a delivery by its first bytes; nobody sends bodies that come in many parts."""
        if self._is_counted:
            return
        if data.startswith(b"GET"):
            body = f"{self._count.now} {self._count.ever}"
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close"
            self._transport.write(head.encode() + _END + body.encode())
            self._transport.close()
            return
        self._is_counted = True
        self._count.now += 1
        self._count.ever += 1
        asyncio.get_running_loop().call_later(self._hold, self._take)

    def _take(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_TAKEN)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """One delivery fewer is there."""
        self._count.now -= self._is_counted


async def _serve(hold: float) -> None:
    loop, count, ended = asyncio.get_running_loop(), _Count(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(
        lambda: _Connection(hold, count), "127.0.0.1", 0, backlog=20_000
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hold", type=float, required=True, help="seconds until it answers")
    asyncio.run(_serve(parser.parse_args().hold))


if __name__ == "__main__":
    main()
