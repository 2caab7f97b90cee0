"""A reader of many gRPC streams on one connection that costs little CPU itself.

On a machine where the client shares the cores with the server, gRPC's own Python client takes more
of them than the server does, and what it takes changes the figures. This one speaks just the HTTP/2
that unary-stream calls need. It opens its windows wide, so the server never waits for it.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

Header = tuple[str, str]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SETTING, MAX_WINDOW = 4, 2**31 - 1
DEFAULT_WINDOW = 65_535
REFILL = 2**30
_FRAME = struct.Struct(">IBI")  # 24 bits of length and 8 of type, flags, stream
_PREFIX = struct.Struct(">BI")  # of a gRPC message: compressed, length


def frame(type: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame as it is sent."""
    return _FRAME.pack(len(payload) << 8 | type, flags, stream) + payload


def header_block(headers: Sequence[Header]) -> bytes:
    """The headers as HPACK literals, which need no table on either side."""
    block = bytearray()
    for name, value in headers:
        block += b"\0" + _text(name) + _text(value)
    return bytes(block)


def call_headers(path: str, token: str) -> list[Header]:
    """The headers of a gRPC call."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("authorization", f"Bearer {token}"),
    ]


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) < 0x7F:
        return bytes([len(raw)]) + raw
    rest, size = len(raw) - 0x7F, bytearray([0x7F])
    while rest > 0x7F:
        size.append(rest & 0x7F | 0x80)
        rest >>= 7
    size.append(rest)
    return bytes(size) + raw


class Stream:
    """One call. `message` gets each response, `ended` what the server said when it ended."""

    __slots__ = ("buffer", "ended", "message")

    def __init__(self, message: Callable[[bytes], None], ended: Callable[[bytes], None]) -> None:
        self.message = message
        self.ended = ended
        self.buffer = b""


class Connection(asyncio.Protocol):
    """One connection with its calls. Belongs to one event loop."""

    def __init__(self) -> None:
        self.lost = False
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self._rest = b""
        self._to_refill = 0
        self._window = DEFAULT_WINDOW
        self._transport: Any = None
        self._held: deque[tuple[int, bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the preface."""
        self._transport = transport
        settings = struct.pack(">HI", INITIAL_WINDOW_SETTING, MAX_WINDOW)
        wide = struct.pack(">I", MAX_WINDOW - DEFAULT_WINDOW)
        self._transport.write(
            PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, wide)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all calls."""
        self.lost = True
        for number in list(self._streams):
            self._end(number, b"connection lost")

    def call(self, headers: Sequence[Header], request: bytes, stream: Stream) -> None:
        """Opens a call with its only request."""
        number, self._next = self._next, self._next + 2
        self._streams[number] = stream
        opened = frame(HEADERS, END_HEADERS, number, header_block(headers))
        self._transport.write(opened)
        self._held.append((number, _PREFIX.pack(0, len(request)) + request))
        self._send_held()

    def close(self) -> None:
        """Drops the connection without a word to its calls."""
        self._streams.clear()
        self._transport.close()

    def drop(self) -> None:
        """Drops the connection, which ends its calls."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Takes all whole frames, and keeps the rest."""
        if self._rest:
            data = self._rest + data
        place, end = 0, len(data)
        while end - place >= 9:
            head, flags, number = _FRAME.unpack_from(data, place)
            after = place + 9 + (head >> 8)
            if after > end:
                break
            type = head & 0xFF
            if type == DATA:
                self._take_data(number, data[place + 9 : after])
            else:
                self._take_other(type, flags, number, data[place + 9 : after])
            place = after
        self._rest = data[place:]

    def _take_data(self, number: int, payload: bytes) -> None:
        self._to_refill += len(payload)
        if self._to_refill >= REFILL:
            self._write(WINDOW_UPDATE, 0, struct.pack(">I", self._to_refill))
            self._to_refill = 0
        stream = self._streams.get(number)
        if stream is None:
            return
        if stream.buffer:
            payload = stream.buffer + payload
        while len(payload) >= 5:
            size = _PREFIX.unpack_from(payload)[1] + 5
            if len(payload) < size:
                break
            stream.message(payload[5:size])
            payload = payload[size:]
        stream.buffer = payload

    def _take_other(self, type: int, flags: int, number: int, payload: bytes) -> None:
        if type == WINDOW_UPDATE and number == 0:
            self._window += struct.unpack(">I", payload)[0]
            self._send_held()
        elif type == SETTINGS and not flags & ACK:
            self._write(SETTINGS, ACK, b"")
        elif type == PING and not flags & ACK:
            self._write(PING, ACK, payload)
        elif (type == HEADERS and flags & END_STREAM) or type == RST_STREAM:
            self._end(number, payload)

    def _send_held(self) -> None:
        """Sends requests as far as the server's window has room."""
        while self._held and len(self._held[0][1]) <= self._window:
            number, message = self._held.popleft()
            self._window -= len(message)
            self._transport.write(frame(DATA, END_STREAM, number, message))

    def _write(self, type: int, flags: int, payload: bytes) -> None:
        self._transport.write(frame(type, flags, 0, payload))

    def _end(self, number: int, said: bytes) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.ended(said)
