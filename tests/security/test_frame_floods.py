"""Frames of HTTP/2 without end or sense: the edge hangs up, and nobody else hears of it."""

import struct
from collections.abc import Iterator

import pytest

from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.security.conftest import Strangers, memory
from tests.security.http2 import (
    DATA,
    END_HEADERS,
    GET_JOB,
    HEADERS,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    call,
    connected,
    integer,
    literal,
    packed,
)
from tests.services import DEADLINE_SECONDS

PRIORITY, PUSH_PROMISE, PING, CONTINUATION = 2, 5, 6, 9
MOST_BYTES = 64 * 1024 * 1024
MIB = 1024 * 1024
AT_ONCE = 4


def repeated(begin: bytes, frame: bytes) -> Iterator[bytes]:
    """The beginning, and then the same again and again."""
    yield begin
    many = frame * max(1, 65_536 // len(frame))
    while True:
        yield many


def headers_that_grow() -> bytes:
    """A header of 4 KB for the table, and thousands of references to it in one block."""
    value = b"y" * 4000
    return b"\x40\x01x" + integer(len(value)) + value + b"\xbe" * 15_000


LITERAL = literal("a", "b" * 16_000)
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "headers that never end": (call(1, GET_JOB, flags=0), packed(CONTINUATION, 0, 1, LITERAL)),
    "empty pieces of headers": (call(1, GET_JOB, flags=0), packed(CONTINUATION, 0, 1)),
    "headers that grow": (b"", packed(HEADERS, END_HEADERS, 1, headers_that_grow())),
    "settings": (b"", packed(SETTINGS, 0, 0)),
    "settings that change": (b"", packed(SETTINGS, 0, 0, struct.pack(">HI", 1, 4096) * 100)),
    "pings": (b"", packed(PING, 0, 0, bytes(8))),
    "priorities": (b"", packed(PRIORITY, 0, 3, struct.pack(">IB", 0, 1))),
    "empty data": (call(1, GET_JOB), packed(DATA, 0, 1)),
    "windows": (call(1, GET_JOB), packed(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1))),
    "a window beyond all": (b"", packed(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1))),
    "a window of nothing": (call(1, GET_JOB), packed(WINDOW_UPDATE, 0, 1, bytes(4))),
    "promises": (b"", packed(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2))),
    "resets of nothing": (b"", packed(RST_STREAM, 0, 1, bytes(4))),
    "data of nothing": (b"", packed(DATA, 0, 1, b"x" * 1000)),
    "one call again and again": (b"", call(1, GET_JOB)),
    "an even stream": (b"", call(2, GET_JOB)),
    "a frame that is too large": (b"", packed(DATA, 0, 1, b"x" * 100_000)),
    "kinds that are none": (b"", packed(0xFA, 0xFF, 1, b"x" * 100)),
    "noise": (b"", bytes(range(256))),
}
# These cost the edge next to nothing, and the standard allows them.
ALLOWED = {"settings that change", "windows", "kinds that are none", "priorities"}


def sent(port: int, begin: bytes, frame: bytes) -> int:
    """How many bytes the edge took before it hung up."""
    total = 0
    with connected(port) as attacker:
        attacker.settimeout(DEADLINE_SECONDS)
        try:
            for piece in repeated(begin, frame):
                attacker.sendall(piece)
                total += len(piece)
                if total > MOST_BYTES:
                    break
        except OSError:
            pass
    return total


@linux_only
@pytest.mark.parametrize("kind", FLOODS)
def test_frames_without_end_or_sense_disturb_nobody(
    run: Running, strangers: Strangers, kind: str
) -> None:
    before = {name: memory(run, name) for name in ("server-1", "envoy")}

    taken = [sent(run.port, *FLOODS[kind]) for _ in range(AT_ONCE)]
    grown = {name: memory(run, name) - old for name, old in before.items()}

    assert kind in ALLOWED or max(taken) < MOST_BYTES, taken
    assert max(grown.values()) < 64 * MIB, grown
    assert strangers.live_on()
