"""One request and the beginning of its answer, on a connection of its own.

A worker has thousands of these at once and each is short, so it speaks just the HTTP/1.1 that one
answer needs. With the streams of asyncio and the parser of `http.client` one takes twice the CPU.
"""

import asyncio
import re
from typing import Any, NamedTuple

HEAD_BYTES = 16 * 1024
# Heads that only inform may come before the answer.
_INFORMED = 5
_BLANK = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: .*)?\r?")
_WITHOUT_TEXT = (204, 304)
_MOST_DIGITS = 16


class NotHttp(Exception):
    """What came is no answer of HTTP."""


class Head(NamedTuple):
    """What the head of an answer says. `length` is None when it does not say it."""

    status: int
    location: str
    chunked: bool
    length: int | None


class Exchange(asyncio.Protocol):
    """Sends `request` when it is connected, and reads the head and `text_bytes` of the answer.

    `head` becomes the head or why none came, and `whole` is done when nothing more is read.
    """

    def __init__(self, request: bytes, text_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        # No future gets an exception, because nobody may be left who takes it.
        self.head: asyncio.Future[Head | Exception] = loop.create_future()
        self.whole: asyncio.Future[None] = loop.create_future()
        self._request = request
        self._text_bytes = text_bytes
        self._read = bytearray()
        self._informed = 0
        self._got: Head | None = None

    @property
    def text(self) -> bytes:
        """The beginning of what was answered, as far as it has come."""
        chunked = self._got is not None and self._got.chunked
        read = _without_chunks(self._read) if chunked else bytes(self._read)
        return read[: self._text_bytes]

    # The transports of uvloop are of no class of asyncio.
    def connection_made(self, transport: Any) -> None:
        """Sends the request."""
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Takes what came, unless there is enough."""
        if self.whole.done():
            return
        self._read += data
        try:
            while self._got is None and self._take_head():
                pass
        except (NotHttp, ConnectionError) as error:
            self._end(error)
            return
        if self._got is not None and self._has_all(self._got):
            self._end(ConnectionError())

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes."""
        self._end(ConnectionError())

    def _end(self, error: Exception) -> None:
        if not self.head.done():
            self.head.set_result(error)
        if not self.whole.done():
            self.whole.set_result(None)

    def _take_head(self) -> bool:
        """Takes one head off what was read; False when none is complete."""
        end = self._read.find(_BLANK)
        if max(end, len(self._read) if end < 0 else 0) > HEAD_BYTES:
            raise NotHttp
        if end < 0:
            return False
        head = parse_head(bytes(self._read[:end]))
        del self._read[: end + len(_BLANK)]
        if head.status >= 200:
            self._got = head
            if not self.head.done():
                self.head.set_result(head)
            return True
        self._informed += 1
        if self._informed >= _INFORMED:
            raise NotHttp
        return True

    def _has_all(self, head: Head) -> bool:
        # Chunks have some bytes around them, which are not counted.
        most = 2 * self._text_bytes if head.chunked else self._text_bytes
        length = most if head.length is None else min(head.length, most)
        return len(self._read) >= length or (head.chunked and self._read.endswith(b"0\r\n\r\n"))


def parse_head(raw: bytes) -> Head:
    """The head without the blank line at its end.

    Raises:
        ConnectionError: when it is none of HTTP/1.
    """
    first, *lines = raw.split(b"\n")
    found = _STATUS.fullmatch(first)
    if found is None:
        raise ConnectionError
    pairs = (line.partition(b":") for line in reversed(lines))
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    status = int(found[1])
    chunked = values.get(b"transfer-encoding", b"").lower() == b"chunked"
    digits = values.get(b"content-length", b"")
    is_told = digits.isdigit() and len(digits) < _MOST_DIGITS and not chunked
    length = int(digits) if is_told else None
    return Head(
        status=status,
        location=values.get(b"location", b"").decode("latin-1"),
        chunked=chunked,
        length=0 if status in _WITHOUT_TEXT else length,
    )


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
