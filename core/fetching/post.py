"""Posts to one receiver at an IP address that was checked, without a thread that waits for it."""

import asyncio
import contextlib
import http.client
import io
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.fetching.addresses import IPAddress, Receiver, is_public
from core.fetching.names import Names

HEAD_BYTES = 16 * 1024
_AGENT = "rushes"
_INFORMED = 5
# A receiver that answers and does not close gets no more time for the rest of its answer.
_REST_SECONDS = 1.0
_MAX_TARGET_CHARACTERS = 300


class Posted(NamedTuple):
    """What came of a post: a status with the beginning of the answer, or 0 and why none came."""

    status: int
    text: str
    error: str
    ms: int


class _Refused(Exception):
    """Nothing is sent, or the answer is none; the text says why."""


@dataclass(slots=True)
class Poster:
    """Posts within `seconds` and reads `text_bytes` of each answer.

    `allows` says which IP addresses may be connected to.
    """

    seconds: float
    text_bytes: int
    allows: Callable[[IPAddress], bool] = is_public
    names: Names = field(default_factory=Names)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def post(self, to: Receiver, headers: Mapping[str, str], body: bytes) -> Posted:
        """What came of it. Whatever the receiver does is an answer and no exception."""
        begun = time.monotonic()
        status, text, error = 0, "", ""
        try:
            async with asyncio.timeout(self.seconds) as limit:
                status, text, error = await self._post(to, headers, body, limit)
        except TimeoutError:
            error = f"it did not answer within {self.seconds:g} s"
        except ssl.SSLCertVerificationError:
            error = "its host has no valid certificate"
        except _Refused as refused:
            error = str(refused)
        except (OSError, http.client.HTTPException, asyncio.IncompleteReadError):
            error = "the connection failed"
        except (asyncio.LimitOverrunError, ValueError):
            error = "its answer is not HTTP"
        return Posted(status, text, error, int((time.monotonic() - begun) * 1000))

    async def _post(
        self, to: Receiver, headers: Mapping[str, str], body: bytes, limit: asyncio.Timeout
    ) -> tuple[int, str, str]:
        async with self._connected(to) as (reader, writer):
            writer.write(_head(to, headers, len(body)) + body)
            head = await _answer(reader)
            limit.reschedule(None)
            location = head.getheader("location", "")
            error = ""
            if 300 <= head.status < 400:
                error = f"redirects to {location[:_MAX_TARGET_CHARACTERS]!a}; name that itself"
            # What is left of the answer decides nothing.
            text = await self._text(reader, head)
            return head.status, text, error

    @contextlib.asynccontextmanager
    async def _connected(
        self, to: Receiver
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        checked = await self._checked(to.host)
        reader, writer = await asyncio.open_connection(
            str(checked),
            to.port,
            limit=HEAD_BYTES,
            ssl=self.tls if to.secure else None,
            server_hostname=to.host if to.secure else None,
        )
        try:
            yield reader, writer
        finally:
            # Not closed politely: a receiver could take its time for that.
            writer.transport.abort()

    async def _checked(self, host: str) -> IPAddress:
        """An IP address of the host, all of whose addresses may be connected to."""
        try:
            found = await self.names.find(host)
        except OSError:
            raise _Refused("its host has no address") from None
        if not found or not all(map(self.allows, found)):
            raise _Refused("its host is not at an address that may be sent to")
        return found[0]

    async def _text(self, reader: asyncio.StreamReader, head: http.client.HTTPResponse) -> str:
        """The beginning of the answer, as far as it comes in time."""
        read = bytearray()
        # Chunks have some bytes around them, which are not counted.
        most = 2 * self.text_bytes if head.chunked else self.text_bytes
        length = head.length if head.length is not None else most
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_REST_SECONDS):
                while len(read) < min(length, most) and not _is_last_chunk(head, read):
                    piece = await reader.read(most - len(read))
                    if not piece:
                        break
                    read += piece
        text = _without_chunks(read) if head.chunked else bytes(read)
        return text[: self.text_bytes].decode("utf-8", "replace").replace("\0", "\ufffd")


def _head(to: Receiver, headers: Mapping[str, str], length: int) -> bytes:
    lines = {
        "Host": to.authority,
        "User-Agent": _AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(length),
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {to.target} HTTP/1.1\r\n{text}\r\n".encode("ascii")


class _Bytes:
    """Bytes in the place of a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._raw)


async def _answer(reader: asyncio.StreamReader) -> http.client.HTTPResponse:
    """The head of the answer; those that only inform are passed over."""
    for _ in range(_INFORMED):
        raw = await reader.readuntil(b"\r\n\r\n")
        if raw.split(None, 2)[1:2] == [b"100"]:
            continue  # which http.client would pass over by itself, and find nothing behind it
        head = http.client.HTTPResponse(_Bytes(raw), method="POST")  # type: ignore[arg-type]
        head.begin()
        if head.status >= 200:
            return head
    raise ValueError


def _is_last_chunk(head: http.client.HTTPResponse, read: bytearray) -> bool:
    return bool(head.chunked) and read.endswith(b"0\r\n\r\n")


def _without_chunks(read: bytearray) -> bytes:
    """What the chunks hold that have come, the last of which may be cut off."""
    text, rest = bytearray(), bytes(read)
    while True:
        size, line, rest = rest.partition(b"\r\n")
        digits = size.partition(b";")[0].strip()
        try:
            count = int(digits, 16)
        except ValueError:
            return bytes(text)
        if not line or count <= 0:
            return bytes(text)
        text += rest[:count]
        rest = rest[count + 2 :]
