"""A raw HTTP/2 client of a stranger: it sends what no honest library sends."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from tests.edge.wire import frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
INITIAL_WINDOW_SIZE = 4
ACK, END_STREAM, END_HEADERS = 1, 1, 4
CANCEL = 8
WATCH = "/rushes.v1.MediaService/WatchJobs"
GET_JOB = "/rushes.v1.MediaService/GetJob"


@contextmanager
def connected(port: int, preface: bytes = PREFACE) -> Iterator[socket.socket]:
    """A connection that has sent the preface and its settings, or what else is given."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(preface + (packed(SETTINGS, 0, 0) if preface == PREFACE else b""))
        yield connection


def packed(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def call(stream: int, path: str, flags: int = END_HEADERS, **more: str) -> bytes:
    """The headers of a gRPC call."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "localhost",
        ":path": path,
        "content-type": "application/grpc",
        "te": "trailers",
        **more,
    }
    return packed(HEADERS, flags, stream, b"".join(literal(*field) for field in fields.items()))


def reset(stream: int) -> bytes:
    """Takes a call back."""
    return packed(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))


def send_unfinished(connection: socket.socket, stream: int, message: bytes) -> None:
    """Sends a message of a call, but for its last byte, as fast as the other side takes it."""
    windows = {0: 65_535, stream: 65_535}
    whole = memoryview(frame(message)[:-1])
    while whole:
        fits = min(16_384, len(whole), *windows.values())
        if not fits:
            _grant(connection, stream, windows)
            continue
        connection.sendall(packed(DATA, 0, stream, bytes(whole[:fits])))
        windows = {key: window - fits for key, window in windows.items()}
        whole = whole[fits:]


def wait_for_end(connection: socket.socket, stream: int) -> None:
    """Reads until the call has an answer.

    Raises:
        ConnectionResetError: always, when the call or the connection is ended.
    """
    while True:
        _grant(connection, stream, {})


def _grant(connection: socket.socket, stream: int, windows: dict[int, int]) -> None:
    """Reads one frame, and adds what it allows to send.

    Raises:
        ConnectionResetError: when the call or the connection is ended.
    """
    head = _exactly(connection, 9)
    payload = _exactly(connection, int.from_bytes(head[:3], "big"))
    kind, number = head[3], int.from_bytes(head[5:], "big")
    if kind == WINDOW_UPDATE and number in windows:
        windows[number] += int.from_bytes(payload, "big")
    elif kind == SETTINGS and not head[4]:
        connection.sendall(packed(SETTINGS, ACK, 0))
        for start in range(0, len(payload), 6):
            name, value = struct.unpack_from(">HI", payload, start)
            if name == INITIAL_WINDOW_SIZE and stream in windows:
                windows[stream] += value - 65_535
    elif kind in (RST_STREAM, GOAWAY) or (kind == HEADERS and head[4] & END_STREAM):
        raise ConnectionResetError


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += (piece := connection.recv(count - len(data)))
        if not piece:
            raise ConnectionResetError
    return data


def literal(name: str, value: str) -> bytes:
    """A header that no table keeps."""
    return b"\0" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return integer(len(data)) + data


def integer(number: int) -> bytes:
    if number < 127:
        return bytes([number])
    number -= 127
    out = bytearray([127])
    while number >= 128:
        out.append(number % 128 + 128)
        number //= 128
    return bytes([*out, number])
