"""What the one-command run prints."""

import io
import json
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


def test_what_happened_is_kept_in_the_record(tmp_path: Path) -> None:
    screen = Screen(io.StringIO(), io.StringIO())
    screen.log("before there is a record")
    screen.record = tmp_path / "standalone.log"
    screen.log("server-1 ended")
    screen.fail("it can't go on")

    lines = [json.loads(line) for line in screen.record.read_text().splitlines()]
    assert [(line["event"], line["level"], line["message"]) for line in lines] == [
        ("run_told", "info", "server-1 ended"),
        ("run_failed", "error", "it can't go on"),
    ]


def test_a_record_that_can_not_be_written_stops_nothing() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.record = Path("/nowhere/standalone.log")
    screen.log("server-1 ended")
    assert "server-1 ended" in out.getvalue()


def test_the_address_of_the_metrics_is_named_if_there_is_one() -> None:
    address = "http://localhost:9464/metrics"

    assert address in printed(replace(welcome(), metrics=address))
    assert "Metrics" not in printed(welcome())
