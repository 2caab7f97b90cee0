"""What may be posted to: https to a host with a name, or this machine alone."""

import ipaddress

import pytest

from core.fetching import Receiver, parse_receiver

PUBLIC = {
    "https://hooks.example.com": Receiver(True, "hooks.example.com", 443, "/"),
    "https://hooks.example.com/a?b=c": Receiver(True, "hooks.example.com", 443, "/a?b=c"),
    "https://hooks.example.com:8443/a": Receiver(True, "hooks.example.com", 8443, "/a"),
}
HERE = {
    "http://localhost:9000/a": Receiver(False, "localhost", 9000, "/a"),
    "http://127.0.0.1/a": Receiver(False, "127.0.0.1", 80, "/a"),
    "https://localhost/a": Receiver(True, "localhost", 443, "/a"),
    "http://[::1]:9000/a": Receiver(False, "::1", 9000, "/a"),
    "http://127.9.9.9:1/a": Receiver(False, "127.9.9.9", 1, "/a"),
}
ALWAYS_WRONG = [
    *("", "https://", "//h.example.com/x", "h.example.com/x", "ftp://localhost/x", "file:///x"),
    *("https://a@localhost/x", "https://a:b@h.example.com/x", "https://@localhost/x"),
    *("https://localhost:/x", "https://localhost:0/x", "https://localhost:99999/x"),
    *("https://h.example.com:-1/x", "https://h.example.com:x/x", "https://h.example.com/a b"),
    *("https://h.example.com\\@localhost/x", "https://h.example.com/\r\nA: b", "https://h/\x00"),
    *("https://ⓛocalhost/x", "https://h.example.com/ü", " https://localhost/", "https:localhost/x"),
    "https://h.example.com/" + "a" * 3000,
]
NOT_PUBLIC = [
    *("http://h.example.com/x", "https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x"),
    *("https://0x7f000001/x", "https://0177.0.0.1/x", "https://0/x", "https://[::1]/x"),
    *("https://[::ffff:127.0.0.1]/x", "https://169.254.169.254/x", "https://localhost/x"),
    *("https://h.example.com:22/x", "https://h.example.com:25/x", "https://h.example.com:80/x"),
    *("https://.example.com/x", "https://h.example.com%2eevil.com/x", "https://8.8.8.8/x"),
]
NOT_HERE = [
    *("http://h.example.com/x", "https://h.example.com/x", "http://10.0.0.1/x", "http://0/x"),
    *("http://0.0.0.0/x", "http://[::]/x", "http://169.254.169.254/x", "http://192.168.1.1/x"),
    *("http://localhost.example.com/x", "http://127.0.0.1.nip.io/x", "http://2130706433/x"),
    *("http://127.1/x", "http://0x7f000001/x", "http://localhost./x", "http://sub.localhost/x"),
]


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_receiver_is_a_name_behind_https(text: str) -> None:
    assert parse_receiver(text, loopback=False) == PUBLIC[text]


@pytest.mark.parametrize("text", HERE)
def test_a_receiver_on_this_machine_may_be_plain(text: str) -> None:
    assert parse_receiver(text, loopback=True) == HERE[text]


@pytest.mark.parametrize("text", ALWAYS_WRONG)
def test_nothing_else_is_a_receiver(text: str) -> None:
    for loopback in (False, True):
        with pytest.raises(ValueError, match="must"):
            parse_receiver(text, loopback=loopback)


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_what_names_no_public_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_receiver(text, loopback=False)


@pytest.mark.parametrize("text", NOT_HERE)
def test_where_loopback_is_allowed_nothing_else_is(text: str) -> None:
    with pytest.raises(ValueError, match="must name this machine"):
        parse_receiver(text, loopback=True)


def test_the_header_host_names_an_unusual_port_and_a_v6_address() -> None:
    for text, authority in (
        ("https://h.example.com/x", "h.example.com"),
        ("https://h.example.com:8443/x", "h.example.com:8443"),
    ):
        assert parse_receiver(text, loopback=False).authority == authority
    address = str(ipaddress.ip_address("::1"))
    assert parse_receiver(f"http://[{address}]:9/", loopback=True).authority == "[::1]:9"
    assert parse_receiver("http://localhost:80/", loopback=True).authority == "localhost"
