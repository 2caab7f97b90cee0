"""The proxies do to the bytes what they say."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.proxy import Edge, Network
from tests.services import wait_for

SHORT = 0.15


class Echo:
    """A server that answers every request with it, and keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.heard: list[bytes] = []
        self.ended = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._answer, args=[connection]))
                self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(1000):
                self.heard.append(data)
                connection.sendall(data)
        self.ended += 1


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    made = Echo(tmp_path / "echo")
    yield made
    made.close()


@pytest.fixture
def edge(network: Network, echo: Echo, tmp_path: Path) -> Edge:
    return network.edge("edge", tmp_path / "edge", tmp_path / "echo")


@contextlib.contextmanager
def connected(edge: Edge) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(5)
        caller.connect(str(edge.listen))
        yield caller


def ask(caller: socket.socket, request: bytes = b"hello") -> bytes:
    caller.sendall(request)
    return caller.recv(1000)


def expect_reset(caller: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):
        assert caller.recv(1000) == b""


def expect_silence(caller: socket.socket) -> None:
    caller.settimeout(SHORT)
    with pytest.raises(TimeoutError):
        caller.recv(1000)
    caller.settimeout(5)


def test_in_fair_weather_bytes_pass_both_ways_and_an_end_is_told(edge: Edge, echo: Echo) -> None:
    with connected(edge) as caller:
        assert ask(caller) == b"hello"
        assert edge.open_count == 1
    wait_for(lambda: echo.ended == 1 and edge.open_count == 0, "the end to be told")


def test_a_slow_edge_delivers_late(edge: Edge) -> None:
    with connected(edge) as caller:
        assert ask(caller) == b"hello"
        edge.slow(SHORT, jitter=0.01)
        caller.sendall(b"late")
        expect_silence(caller)
        assert caller.recv(1000) == b"late"


def test_a_cut_edge_resets_what_is_open_and_whoever_comes(edge: Edge) -> None:
    with connected(edge) as caller:
        assert ask(caller) == b"hello"
        edge.cut()
        expect_reset(caller)
    with connected(edge) as late:
        expect_reset(late)
    edge.pass_on()
    with connected(edge) as again:
        assert ask(again) == b"hello"


def test_a_black_hole_holds_bytes_and_delivers_them_afterwards(edge: Edge, echo: Echo) -> None:
    with connected(edge) as caller:
        assert ask(caller) == b"hello"
        edge.blackhole()
        caller.sendall(b"held")
        with connected(edge) as late:
            late.sendall(b"held too")
            expect_silence(caller)
            expect_silence(late)
            assert echo.heard == [b"hello"]
            edge.pass_on()
            assert caller.recv(1000) == b"held"
            assert late.recv(1000) == b"held too"


def test_a_lost_reply_means_that_the_request_arrived(edge: Edge, echo: Echo) -> None:
    with connected(edge) as caller:
        edge.lose_replies(count=1)
        caller.sendall(b"did it")
        expect_reset(caller)
    assert echo.heard == [b"did it"]
    with connected(edge) as again:
        assert ask(again) == b"hello"


def test_only_replies_to_what_matches_are_lost(edge: Edge, echo: Echo) -> None:
    with connected(edge) as caller:
        edge.lose_replies(count=1, match=b"COMMIT")
        assert ask(caller, b"SELECT") == b"SELECT"
        caller.sendall(b"COMMIT")
        expect_reset(caller)
    assert echo.heard == [b"SELECT", b"COMMIT"]
    assert edge.lost == 1


def test_a_half_open_connection_is_silent_at_one_end_and_closed_at_the_other(
    edge: Edge, echo: Echo
) -> None:
    with connected(edge) as caller:
        assert ask(caller) == b"hello"
        edge.half_open()
        wait_for(lambda: echo.ended == 1, "the far end to be told")
        caller.sendall(b"anyone?")
        expect_silence(caller)
        edge.pass_on()
        expect_reset(caller)


def test_a_target_that_is_away_is_a_reset(network: Network, tmp_path: Path) -> None:
    edge = network.edge("nowhere", tmp_path / "edge", tmp_path / "nobody")
    with connected(edge) as caller:
        expect_reset(caller)
