"""What travels beside the messages."""

import pytest

from rushes.errors import InvalidRequest, NotSignedIn
from rushes.wire import call_metadata, channel_options, is_loopback, parse_server


@pytest.mark.parametrize(
    ("server", "target", "secure"),
    [
        ("localhost:8080", "localhost:8080", False),
        ("http://localhost:8080/", "localhost:8080", False),
        ("https://rushes.example.com", "rushes.example.com:443", True),
        ("http://[::1]:8080", "[::1]:8080", False),
        ("unix:/run/rushes.sock", "unix:/run/rushes.sock", False),
    ],
)
def test_a_server_is_a_target_or_an_address(server: str, target: str, secure: bool) -> None:
    assert parse_server(server, secure=False) == (target, secure)


def test_a_target_is_secure_when_asked_for() -> None:
    assert parse_server("example.com:443", secure=True) == ("example.com:443", True)


def test_a_wrong_port_is_told() -> None:
    with pytest.raises(InvalidRequest, match="port"):
        parse_server("http://localhost:99999", secure=False)


def test_no_proxy_stands_before_this_machine() -> None:
    for target, proxy in [("localhost:1", 0), ("127.0.0.1:1", 0), ("example.com:1", 1)]:
        assert is_loopback(target) is not bool(proxy)
        assert dict(channel_options(target))["grpc.enable_http_proxy"] == proxy


def test_a_slow_reader_is_shown_the_present() -> None:
    options = dict(channel_options("localhost:1"))
    assert options["grpc.http2.lookahead_bytes"] <= 16_384
    assert options["grpc.http2.bdp_probe"] == 0


def test_a_token_is_sent_as_a_bearer() -> None:
    assert call_metadata("abc") == (("authorization", "Bearer abc"),)
    assert call_metadata("") == ()


@pytest.mark.parametrize("token", ["a\nb", "é", "a\x00"])
def test_a_token_that_would_break_the_header_is_refused_here(token: str) -> None:
    with pytest.raises(NotSignedIn):
        call_metadata(token)
