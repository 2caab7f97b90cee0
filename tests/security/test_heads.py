"""Heads of HTTP/1.1 that mean two things, or are too long: the HTTP process itself refuses them,
and so does the edge before it."""

import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.e2e.running import Running

HOST = "Host: localhost\r\n"
SMUGGLED = "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
# What is after the first line, and the status that refuses it.
HEADS = {
    "a length and chunks": (
        f"{HOST}Content-Length: {len(SMUGGLED)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        f"{SMUGGLED}",
        400,
    ),
    "chunks and a length": (
        f"{HOST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{SMUGGLED}",
        400,
    ),
    "two lengths": (f"{HOST}Content-Length: 0\r\nContent-Length: 5\r\n\r\n{SMUGGLED}", 400),
    "a length that is none": (f"{HOST}Content-Length: +5\r\n\r\n{SMUGGLED}", 400),
    "an unknown encoding": (f"{HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "100 KB of headers": (HOST + "".join(f"X-{n}: {'a' * 1000}\r\n" for n in range(100)), 431),
    "one header of 100 KB": (f"{HOST}X-A: {'a' * 100_000}\r\n", 431),
    "a space before the colon": (f"{HOST}X-A : b\r\n\r\n", 400),
    "no host": ("X-A: b\r\n\r\n", 400),
}
Connect = Callable[[], socket.socket]


def process_of(run: Running) -> socket.socket:
    """The HTTP process itself."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(run.data / "run" / "http.web"))
    return connection


def edge_of(run: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", run.port))


def answers(connection: socket.socket, head: str) -> bytes:
    """All that comes back until the other side ends the connection."""
    connection.settimeout(20)
    connection.sendall(f"GET /media/x/content HTTP/1.1\r\n{head}\r\n".encode())
    data = b""
    try:
        while piece := connection.recv(65_536):
            data += piece
    except ConnectionResetError:
        # It ends the connection of who still sends, and the answer may be lost on the way.
        return data or b"HTTP/1.1 431 lost"
    return data


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("reach", [process_of, edge_of], ids=["process", "edge"])
def test_a_head_that_means_two_things_or_is_too_long_is_refused(
    run: Running, reach: Callable[[Running], socket.socket], kind: str
) -> None:
    head, status = HEADS[kind]

    with closing(reach(run)) as connection:
        said = answers(connection, head)

    assert said.count(b"HTTP/1.1 ") == 1, said
    # A reader of HTTP that can't go on says 400 to all of them.
    assert int(said.split()[1]) in (status, 400), said
