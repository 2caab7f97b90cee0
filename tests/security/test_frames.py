"""Frames of HTTP/2 that are cut, changed, repeated and made up, at the edge and at a server itself.

Each connection is one conversation that could be honest, damaged by chance. `make attack` sends
more of them, at random instead of the same ones each time.
"""

import os
import random
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from rushes.v1 import media_service_pb2 as pb
from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.edge.wire import frame
from tests.security.conftest import Strangers, memory
from tests.security.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET_JOB,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WATCH,
    WINDOW_UPDATE,
    call,
    packed,
)
from tests.services import wait_for

MIB = 1024 * 1024
PRIORITY, PUSH_PROMISE, PING, CONTINUATION = 2, 5, 6, 9
AT_RANDOM = "ATTACK_EXAMPLES" in os.environ
CONNECTIONS = 10 * int(os.environ.get("ATTACK_EXAMPLES", "40"))
# So many are open at once. Their answers are read for so long.
TOGETHER, ANSWER_SECONDS = 40, 0.5
GROWN = 120 * MIB
Connect = Callable[[], socket.socket]


def conversation(chance: random.Random, token: str) -> list[bytes]:
    """Frames that a client could send, in an order in which it could send them."""
    said = [packed(SETTINGS, 0, 0, _settings(chance)), packed(SETTINGS, ACK, 0)]
    for stream in range(1, 2 * chance.randint(1, 6), 2):
        path = chance.choice([WATCH, GET_JOB, "/grpc.health.v1.Health/Check", "/v1/models"])
        said.append(_opened(chance, stream, path, token))
        message = frame(pb.GetJobRequest(job_id="a" * chance.randint(0, 99)).SerializeToString())
        cut = chance.randint(0, len(message))
        said.append(packed(DATA, 0, stream, message[:cut]))
        said.append(packed(DATA, END_STREAM, stream, message[cut:]))
        said.append(_other(chance, stream))
    return said


def _settings(chance: random.Random) -> bytes:
    numbers = [(name, chance.choice([0, 1, 100, 65_535, 2**31 - 1])) for name in range(1, 7)]
    return b"".join(struct.pack(">HI", *one) for one in numbers[: chance.randint(0, 6)])


def _opened(chance: random.Random, stream: int, path: str, token: str) -> bytes:
    """The headers of a call, in one frame or in several."""
    known = {"authorization": f"Bearer {token}"} if chance.random() < 0.7 else {}
    whole = call(stream, path, **known)
    if chance.random() < 0.7:
        return whole
    block = whole[9:]
    cut = chance.randrange(len(block))
    rest = packed(CONTINUATION, END_HEADERS, stream, block[cut:])
    return packed(HEADERS, 0, stream, block[:cut]) + rest


def _other(chance: random.Random, stream: int) -> bytes:
    number = struct.pack(">I", chance.choice([0, 1, 65_535, 2**31 - 1]))
    return chance.choice(
        [
            packed(PING, 0, 0, b"12345678"),
            packed(WINDOW_UPDATE, 0, stream, number),
            packed(WINDOW_UPDATE, 0, 0, number),
            packed(PRIORITY, 0, stream, number + b"\x10"),
            packed(RST_STREAM, 0, stream, number),
            packed(GOAWAY, 0, 0, number * 2),
            packed(PUSH_PROMISE, END_HEADERS, stream, number + b"\x82"),
            packed(chance.randint(10, 255), chance.randint(0, 255), stream, b"unknown"),
        ]
    )


def damaged(frames: list[bytes], chance: random.Random) -> bytes:
    """The bytes of the conversation after one to four accidents."""
    frames = list(frames)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(frames))
        frames[at] = _harm(frames[at], chance)
        match chance.randrange(8):
            case 0:
                frames.insert(chance.randrange(len(frames)), frames[at])
            case 1:
                chance.shuffle(frames)
            case 2 if len(frames) > 1:
                del frames[at]
            case 3:  # the same frame again and again
                frames[at:at] = [frames[at]] * chance.randint(2, 60)
    said = PREFACE + b"".join(frames)
    match chance.randrange(6):
        case 0 | 1:  # the connection ends in the middle of a frame
            return said[: chance.randrange(len(said))]
        case 2:  # without a preface, or with a part of it
            return said[chance.randint(1, len(PREFACE)) :]
        case _:
            return said


def _harm(one: bytes, chance: random.Random) -> bytes:
    """The frame with something wrong in it."""
    head, payload = bytearray(one[:9]), bytearray(one[9:])
    match chance.randrange(8):
        case 0:  # a length that lies
            head[:3] = chance.randint(0, 2**24 - 1).to_bytes(3, "big")
        case 1:
            head[3] = chance.randrange(12)
        case 2:
            head[4] = chance.randrange(256)
        case 3:  # another stream: none, an even one, one that is not open, the reserved bit
            stream = chance.choice([0, 2, 7, 99_999, 2**31 - 1, 2**31, 2**32 - 1])
            head[5:] = struct.pack(">I", stream)
        case 4:  # padding that is longer than the frame
            head[4] |= 8
            payload[:0] = b"\xff"
        case 5:
            del payload[chance.randrange(len(payload) + 1) :]
        case 6:  # for HPACK: indices of nothing, integers without end, tables of any size
            payload = bytearray(chance.choice([b"\xff" * 20, b"\x80", b"\x3f\xff\xff\xff\x0f"]))
        case _:
            for place in chance.sample(range(len(payload)), min(len(payload), 3)):
                payload[place] ^= 1 << chance.randrange(8)
    return bytes(head + payload)


def send_all(connect: Connect, said: list[bytes]) -> None:
    """Sends each on a connection of its own, all open at once; waits a moment for their ends."""
    with ExitStack() as after:
        sockets = []
        for data in said:
            with suppress(OSError):  # it was ended in the middle, or with the process
                sockets.append(after.enter_context(connect()))
                sockets[-1].sendall(data)
                sockets[-1].shutdown(socket.SHUT_WR)
        ends = time.monotonic() + ANSWER_SECONDS
        for one in sockets:
            _read_until(one, ends)


def _read_until(one: socket.socket, ends: float) -> None:
    with suppress(OSError):
        while (left := ends - time.monotonic()) > 0:
            one.settimeout(left)
            if not one.recv(65_536):
                return


def edge_of(run: Running) -> Connect:
    return lambda: socket.create_connection(("127.0.0.1", run.port), timeout=20)


def server_of(run: Running) -> Connect:
    """The socket at which the server itself takes calls."""

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        try:
            connection.connect(str(run.data / "run" / "server-1.grpc"))
        except OSError:
            connection.close()
            raise
        return connection

    return connect


@linux_only
@pytest.mark.timeout(3600 if AT_RANDOM else 120)
@pytest.mark.parametrize("reach", [edge_of, server_of], ids=["edge", "server"])
def test_damaged_frames_end_their_own_connection_alone(
    run: Running, strangers: Strangers, reach: Callable[[Running], Connect]
) -> None:
    seed = os.urandom(8).hex() if AT_RANDOM else reach.__name__
    chance, token = random.Random(seed), run.token("fuzzer")
    # Some day a path is not UTF-8, because the token is a part of what is damaged: see below.
    dying = {"server-1"} if reach is server_of else set()
    lives = {name: run.child(name) for name in {"envoy", "server-1"} - dying}
    send_all(reach(run), [damaged(conversation(chance, token), chance)] * TOGETHER)
    before = {name: memory(run, name) for name in lives}

    for number in range(0, CONNECTIONS, TOGETHER):
        said = [damaged(conversation(chance, token), chance) for _ in range(TOGETHER)]
        send_all(reach(run), said)
        for name, life in lives.items():
            assert run.child(name) == life, f"seed {seed}, from connection {number}: {name} died"
        wait_for(lambda: reaches(reach(run)), f"seed {seed}: the port to be open")

    assert dying or strangers.live_on(), f"seed {seed}"
    wait_for(lambda: run.rest("newcomer")("GET /v1/models").status == 200, "a call to be served")
    for name, held in before.items():
        assert memory(run, name) - held < GROWN, f"seed {seed}: {name} grew"


def reaches(connect: Connect) -> bool:
    with suppress(OSError), connect():
        return True
    return False


NO_TEXT = "\udcf4"  # as the test's client writes it: the byte 0xF4


@linux_only
@pytest.mark.parametrize("path", [WATCH, "/rushes.v1.MediaService/", "/", "/v1/jobs/"])
def test_a_path_that_is_no_text_goes_no_further_than_the_edge(
    run: Running, strangers: Strangers, path: str
) -> None:
    server = run.child("server-1")

    for _ in range(20):
        with edge_of(run)() as connection:
            connection.sendall(PREFACE + packed(SETTINGS, 0, 0) + call(1, path + NO_TEXT))
            connection.sendall(packed(DATA, END_STREAM, 1, frame(b"")))

    assert strangers.live_on()
    assert run.child("server-1") == server


@linux_only
@pytest.mark.timeout(120)
def test_a_server_whose_loop_ends_at_such_a_path_is_started_again(own_run: Running) -> None:
    own_run.start()
    server = own_run.child("server-1")

    with server_of(own_run)() as connection:
        connection.sendall(PREFACE + packed(SETTINGS, 0, 0) + call(1, WATCH + NO_TEXT))
        connection.sendall(packed(DATA, END_STREAM, 1, frame(b"")))
        wait_for(lambda: own_run.child("server-1") not in (None, server), "another server", 60)

    wait_for(lambda: own_run.rest("alice")("GET /v1/models").status == 200, "it to serve", 60)


@linux_only
def test_a_header_that_is_no_text_is_not_in_the_log(run: Running) -> None:
    secret = f"Bearer secret-{os.urandom(8).hex()}"
    log = run.data / "logs" / "server-1.log"
    before = log.stat().st_size

    for reach in (edge_of, server_of):
        with reach(run)() as connection:
            said = call(1, GET_JOB, authorization=secret + NO_TEXT)
            connection.sendall(PREFACE + packed(SETTINGS, 0, 0) + said)
            connection.sendall(packed(DATA, END_STREAM, 1, frame(b"")))
            connection.settimeout(2)
            with suppress(TimeoutError):
                while connection.recv(65_536):
                    pass

    wait_for(lambda: b"Invalid encoding on" in log.read_bytes()[before:], "gRPC's line")
    assert secret.encode() not in log.read_bytes()[before:]


def test_a_conversation_without_an_accident_is_answered(run: Running) -> None:
    """The fuzzer's own frames are right, so that its accidents come as far as they can."""
    said = PREFACE + packed(SETTINGS, 0, 0) + call(1, GET_JOB, authorization=run.token("fuzzer"))
    said += packed(DATA, END_STREAM, 1, frame(b""))
    for reach in (edge_of, server_of):
        with reach(run)() as connection, connection.makefile("rb") as answer:
            connection.sendall(said)
            kinds = []
            while (HEADERS, END_STREAM) not in kinds:
                head = answer.read(9)
                answer.read(int.from_bytes(head[:3], "big"))
                kinds.append((head[3], head[4] & END_STREAM))
            assert not {kind for kind, _ in kinds} & {RST_STREAM, GOAWAY}
