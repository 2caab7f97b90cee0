"""What the one-command run prints."""

import io
from dataclasses import replace
from pathlib import Path

from standalone.screen import Screen, Welcome


class GoneTerminal(io.StringIO):
    """Whoever read it has hung up."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def welcome(edge: bool = True, reflection: bool = True) -> Welcome:
    address, server = "http://localhost:8080", "localhost:8080"
    return Welcome(address, server, edge, Path("/data/logs"), reflection)


def printed(what: Welcome) -> str:
    out = io.StringIO()
    Screen(out).ready(what)
    return out.getvalue()


def test_ready_names_the_address_and_what_to_try() -> None:
    text = printed(welcome())

    assert text.startswith("ready http://localhost:8080 ")
    for word in ("generate video", "token --user", "curl -H", "grpcurl -plaintext", "/data/logs"):
        assert word in text


def test_without_an_edge_there_is_nothing_to_curl() -> None:
    text = printed(welcome(edge=False))

    assert text.startswith("ready localhost:8080 (gRPC only)")
    assert "  curl " not in text


def test_without_reflection_there_is_no_grpcurl() -> None:
    assert "grpcurl" not in printed(welcome(reflection=False))


def test_a_redis_that_does_not_answer_is_one_line() -> None:
    slower = replace(welcome(), slower=True)

    lines = [line for line in printed(slower).splitlines() if "RUSHES_REDIS_URL" in line]

    assert len(lines) == 1
    assert "RUSHES_REDIS_URL" not in printed(welcome())


def test_a_file_gets_no_colours() -> None:
    assert "\x1b" not in printed(welcome())


def test_a_terminal_that_went_away_stops_nothing() -> None:
    screen = Screen(GoneTerminal(), GoneTerminal())

    screen.log("worker-1 ended")
    screen.fail("no reason")
