"""What is fetched comes from a checked address, within limits, and from nowhere else."""

import ipaddress
import socket
import ssl
import threading
from pathlib import Path

import pytest

from core.errors import DependencyUnavailable
from core.fetching import Fetcher, FetchRefused, is_public, parse_address
from core.fetching.addresses import IPAddress
from tests.fakes.https import HOST, answer_of, canary, site

ADDRESS = parse_address(f"https://{HOST}/cat.png?size=2")
PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:0:a9fe:a9fe:8000:63bf:3fff:fdd2"),
]


def test_the_bytes_come_as_they_are(tmp_path: Path) -> None:
    with site(tmp_path, answer_of(b"bytes")) as there:
        assert there.fetcher().fetch(ADDRESS) == b"bytes"

    [request] = there.asked
    assert request.startswith(b"GET /cat.png?size=2 HTTP/1.1\r\nHost: media.example.com\r\n")
    assert b"authorization" not in request.lower()


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_never_connected_to(address: str) -> None:
    with canary() as (port, connections):
        fetcher = Fetcher(1000, 5.0, resolve=lambda _: [ipaddress.ip_address(address)], port=port)
        with pytest.raises(FetchRefused, match="not on the public internet"):
            fetcher.fetch(ADDRESS)
        assert connections == []


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_the_public_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_one_private_address_among_public_ones_is_enough() -> None:
    found: list[IPAddress] = [ipaddress.ip_address(a) for a in ("8.8.8.8", "::1")]
    with canary() as (port, connections):
        fetcher = Fetcher(1000, 5.0, resolve=lambda _: found, port=port)
        with pytest.raises(FetchRefused):
            fetcher.fetch(ADDRESS)
        assert connections == []


def test_a_second_answer_of_the_dns_changes_nothing(tmp_path: Path) -> None:
    # Given a name that leads to a private address when it is asked again
    answers = ["127.0.0.1", "127.0.0.2"]
    asked: list[str] = []

    def resolve(host: str) -> list[IPAddress]:
        asked.append(host)
        return [ipaddress.ip_address(answers.pop(0))]

    with site(tmp_path, answer_of(b"bytes")) as there:
        fetcher = there.fetcher()
        fetcher.resolve = resolve
        fetcher.allows = lambda address: str(address) == "127.0.0.1"

        assert fetcher.fetch(ADDRESS) == b"bytes"
    assert asked == [HOST]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Same", "308 Same"])
def test_a_redirect_is_not_followed(tmp_path: Path, status: str) -> None:
    with canary() as (port, connections):
        location = f"Location: https://127.0.0.1:{port}/"
        with (
            site(tmp_path, answer_of(b"", status, location)) as there,
            pytest.raises(FetchRefused, match="redirects"),
        ):
            there.fetcher().fetch(ADDRESS)
        assert connections == []


def test_more_bytes_than_are_left_are_refused_however_they_come(tmp_path: Path) -> None:
    unsized = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n\r\n"
    for answer in (answer_of(b"x" * 1001), unsized, chunked):
        with site(tmp_path, answer) as there, pytest.raises(FetchRefused, match="more bytes"):
            there.fetcher(left_bytes=1000).fetch(ADDRESS)


def test_the_addresses_of_a_request_share_the_bytes(tmp_path: Path) -> None:
    with site(tmp_path, answer_of(b"x" * 600)) as there:
        fetcher = there.fetcher(left_bytes=1000)
        fetcher.fetch(ADDRESS)
        with pytest.raises(FetchRefused, match="more bytes"):
            fetcher.fetch(ADDRESS)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (answer_of(b"", "404 Not Found"), "HTTP 404"),
        (answer_of(b"", "206 Partial Content"), "HTTP 206"),
        (answer_of(b"x", "200 OK", "Content-Encoding: gzip"), "compressed"),
    ],
)
def test_other_answers_are_refused(tmp_path: Path, answer: bytes, cause: str) -> None:
    with site(tmp_path, answer) as there, pytest.raises(FetchRefused, match=cause):
        there.fetcher().fetch(ADDRESS)


@pytest.mark.parametrize(
    "answer",
    [
        answer_of(b"", "500 Oh"),
        answer_of(b"", "503 Later"),
        answer_of(b"", "429 Slow"),
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    ],
)
def test_a_host_that_fails_may_be_asked_again(tmp_path: Path, answer: bytes) -> None:
    with site(tmp_path, answer) as there, pytest.raises(DependencyUnavailable):
        there.fetcher().fetch(ADDRESS)


def trickle(secure: ssl.SSLSocket, over: threading.Event, first: bytes) -> None:
    secure.sendall(first)
    while not over.wait(0.02):
        secure.sendall(b"x")


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_host_that_trickles_has_its_time_and_no_more(tmp_path: Path, first: bytes) -> None:
    over = threading.Event()
    try:
        with (
            site(tmp_path, lambda secure: trickle(secure, over, first)) as there,
            pytest.raises(DependencyUnavailable),
        ):
            there.fetcher(seconds=0.3).fetch(ADDRESS)
    finally:
        over.set()


def test_a_resolver_that_hangs_has_its_time_and_no_more() -> None:
    over = threading.Event()

    def resolve(_: str) -> list[IPAddress]:
        over.wait(20)
        return []

    try:
        with pytest.raises(DependencyUnavailable):
            Fetcher(1000, 0.2, resolve=resolve).fetch(ADDRESS)
    finally:
        over.set()


def test_a_name_without_an_address_is_refused() -> None:
    def resolve(_: str) -> list[IPAddress]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.raises(FetchRefused, match="no address"):
        Fetcher(1000, 5.0, resolve=resolve).fetch(ADDRESS)


def test_a_certificate_of_another_is_refused(tmp_path: Path) -> None:
    with (
        site(tmp_path, answer_of(b"x"), host="other.example.com") as there,
        pytest.raises(FetchRefused, match="certificate"),
    ):
        there.fetcher().fetch(ADDRESS)
    assert there.asked == []
