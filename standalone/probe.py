"""Asks a process over a unix socket or loopback whether it serves."""

import asyncio
from contextlib import closing
from pathlib import Path

TIMEOUT_SECONDS = 2.0


async def exchange(peer: Path | int, request: bytes) -> bytes | None:
    """Sends the request. Returns the first line of the answer, or None when nobody answers.

    `peer` is a unix socket or a port of loopback.
    """
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            if isinstance(peer, Path):
                reader, writer = await asyncio.open_unix_connection(peer)
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", peer)
            with closing(writer):
                writer.write(request)
                return await reader.readline()
    except (OSError, TimeoutError, ValueError):
        return None


async def listens(port: int) -> bool:
    """Whether somebody listens on a port of loopback, however busy. False when it is refused."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    except (OSError, TimeoutError):
        return True
    writer.close()
    return True


async def http_status(peer: Path | int, path: str) -> int | None:
    """The status code of the answer to GET `path`; None when there is none."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    line = await exchange(peer, request.encode())
    parts = (line or b"").split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None
