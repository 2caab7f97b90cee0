"""What is posted goes to a checked address, within limits, and whatever comes back is an answer."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from core.fetching import Names, Posted, Poster, Receiver
from core.fetching.addresses import IPAddress
from tests.fakes.https import HOST, answer_of, canary, site
from tests.services import wait_for
from tests.unit.core.fetching.test_fetch import PRIVATE

Answer = Callable[[socket.socket], Any]


def finds(*addresses: str) -> Names:
    found: list[IPAddress] = [ipaddress.ip_address(one) for one in addresses]
    return Names(lambda _: found)


def post(to: Receiver, seconds: float = 5, body: bytes = b"{}", **fields: Any) -> Posted:
    names = fields.pop("names", finds("127.0.0.1"))
    fields.setdefault("allows", lambda address: address.is_loopback)
    poster = Poster(seconds, 1024, names=names, **fields)
    # In the loop of the worker.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(poster.post(to, {"webhook-id": "1"}, body))


@contextmanager
def plain(answer: bytes | Answer) -> Iterator[tuple[Receiver, list[bytes]]]:
    """A server that reads one request a connection, and what it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        got.append(connection.recv(65_536))
                        if isinstance(answer, bytes):
                            connection.sendall(answer)
                        else:
                            answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Receiver(False, "localhost", listener.getsockname()[1], "/hook?a=b"), got
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_the_body_goes_with_its_headers_and_the_answer_comes_back() -> None:
    with plain(answer_of(b"thanks")) as (to, got):
        posted = post(to, body=b'{"a":1}')

    assert (posted.status, posted.text, posted.error) == (200, "thanks", "")
    head, _, body = got[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=b HTTP/1.1"
    assert f"Host: localhost:{to.port}" in lines
    assert {"webhook-id: 1", "Content-Length: 7", "Connection: close"} <= set(lines)
    assert body == b'{"a":1}'


def test_https_proves_who_the_host_is(tmp_path: Path) -> None:
    with site(tmp_path, answer_of(b"", "204 No Content")) as there:
        to = Receiver(True, HOST, there.port, "/")
        assert post(to, tls=there.trust).status == 204
        # A certificate of another host, or of nobody who is trusted, is none
        other = Receiver(True, "other.example.com", there.port, "/")
        assert post(other, tls=there.trust).error == "its host has no valid certificate"
        assert post(to).error == "its host has no valid certificate"
    assert len(there.asked) == 1


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_never_connected_to(address: str) -> None:
    with canary() as (port, connections):
        to = Receiver(True, HOST, port, "/")
        posted = asyncio.run(Poster(5, 1024, names=finds(address)).post(to, {}, b""))
        assert (posted.status, connections) == (0, [])
    assert posted.error == "its host is not at an address that may be sent to"


def test_one_address_that_is_not_allowed_among_others_is_enough() -> None:
    with canary() as (port, connections):
        to = Receiver(False, HOST, port, "/")
        assert post(to, names=finds("127.0.0.1", "10.0.0.1")).status == 0
        assert connections == []


def test_a_second_answer_of_the_dns_changes_nothing() -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked: list[str] = []

    def resolve(host: str) -> list[IPAddress]:
        asked.append(host)
        return [ipaddress.ip_address(one) for one in answers[len(asked) - 1]]

    with plain(answer_of(b"")) as (to, got):
        assert post(to, names=Names(resolve)).status == 200
    assert (asked, len(got)) == (["localhost"], 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere_and_names_its_target(status: int) -> None:
    with canary() as (port, connections):
        target = f"http://127.0.0.1:{port}/x"
        answer = answer_of(b"", f"{status} Moved", f"Location: {target}")
        with plain(answer) as (to, _):
            posted = post(to)
        assert connections == []
    assert posted.status == status
    assert posted.error == f"redirects to '{target}'; name that itself"


ODD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "the connection failed"),
    "another protocol": (b"220 mail.example.com\r\n\r\n", "the connection failed"),
    "no status": (b"HTTP/1.1 x\r\n\r\n", "the connection failed"),
    "half a head": (b"HTTP/1.1 200 OK\r\nA: b", "the connection failed"),
    "a long head": (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 40_000, "its answer is not HTTP"),
    "informing for ever": (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "its answer is not HTTP"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_answer_says_so(name: str) -> None:
    answer, error = ODD[name]
    with plain(answer) as (to, _):
        posted = post(to)
    assert (posted.status, posted.error) == (0, error)


TEXTS: dict[str, tuple[bytes, str]] = {
    "long": (answer_of(b"x" * 5000), "x" * 1024),
    "not text": (answer_of(b"\xff\0a"), "��a"),
    "informed first": (b"HTTP/1.1 100 Continue\r\n\r\n" + answer_of(b"ok"), "ok"),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n3;a=b\r\nay!\r\n0\r\n\r\n",
        "okay!",
    ),
    "broken chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok", ""),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end"),
    "a length of many digits": (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 9000 + b"\r\n\r\nok",
        "ok",
    ),
    "less than it says": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", "half"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_beginning_of_the_answer_is_kept(name: str) -> None:
    answer, text = TEXTS[name]
    with plain(answer) as (to, _):
        posted = post(to)
    assert (posted.status, posted.text) == (200, text)


def test_a_receiver_that_says_nothing_is_given_up_in_time() -> None:
    done = threading.Event()
    with plain(lambda _: done.wait(20)) as (to, _):
        posted = post(to, seconds=0.2)
        done.set()
    assert (posted.status, posted.error) == (0, "it did not answer within 0.2 s")


def test_the_rest_of_an_answer_decides_nothing() -> None:
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nso far")
        done.wait(20)

    with plain(drip) as (to, _):
        posted = post(to)
        done.set()
    assert (posted.status, posted.text, posted.error) == (200, "so far", "")


def test_a_name_that_never_resolves_holds_nobody_up_longer_than_a_try() -> None:
    asked, done = threading.Semaphore(0), threading.Event()

    def resolve(host: str) -> list[IPAddress]:
        if host == "slow.example.com":
            asked.release()
            done.wait(20)
        return [ipaddress.ip_address("127.0.0.1")]

    async def main(to: Receiver) -> list[Posted]:
        poster = Poster(0.2, 1024, allows=lambda _: True, names=Names(resolve))
        slow = Receiver(False, "slow.example.com", to.port, "/")
        return list(await asyncio.gather(*(poster.post(one, {}, b"") for one in (slow, slow, to))))

    with plain(answer_of(b"")) as (to, _):
        first, second, third = asyncio.run(main(to))
        done.set()
    assert first.error == second.error == "it did not answer within 0.2 s"
    assert third.status == 200
    # And it is asked for once, not once for each try
    assert asked.acquire(blocking=False)
    assert not asked.acquire(blocking=False)


def test_the_answer_of_the_dns_is_kept_for_a_moment() -> None:
    now, asked = [0.0], []

    def resolve(host: str) -> list[IPAddress]:
        asked.append(host)
        raise OSError

    async def main() -> None:
        names = Names(resolve, clock=lambda: now[0])
        for moment in (0.0, 29.0, 31.0):
            now[0] = moment
            with pytest.raises(OSError):  # noqa: PT011 - what a resolver raises
                await names.find("a.example.com")

    asyncio.run(main())
    wait_for(lambda: len(asked) == 2, "the second question")
