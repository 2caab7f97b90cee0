"""Floods from strangers without a token: the watches of others live on, and new callers are served.

Each is a short form of an attack that once took everybody down.
"""

import contextlib
import resource
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from standalone.envoy import MOST_CONNECTIONS
from standalone.logs import ROTATE_BYTES
from tests.e2e.processes import linux_only
from tests.e2e.rest import Rest
from tests.e2e.running import Running
from tests.security.conftest import Strangers, memory
from tests.security.http2 import GET_JOB, WATCH, call, connected, reset, send_unfinished
from tests.services import DEADLINE_SECONDS, wait_for

MIB = 1024 * 1024
RESETS, CONNECTIONS = 400, 40
SILENT = 100
BODIES = 60
JSON_BODIES = 30
LONG_PATHS = 60


def is_served(run: Running, user: str = "newcomer") -> bool:
    return run.rest(user)("GET /v1/models").status == 200


def ended(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side ends the connection in time."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.parametrize("path", [WATCH, GET_JOB])
def test_calls_that_are_taken_back_at_once_disturb_nobody(
    run: Running, strangers: Strangers, path: str
) -> None:
    numbers = range(1, 2 * RESETS, 2)
    flood = b"".join(call(number, path) + reset(number) for number in numbers)

    closed = 0
    for _ in range(CONNECTIONS):
        with connected(run.port) as attacker, contextlib.suppress(OSError):
            attacker.sendall(flood)
            closed += ended(attacker, DEADLINE_SECONDS)

    assert closed == CONNECTIONS
    assert strangers.live_on()
    assert is_served(run)


def test_connections_that_do_not_say_what_they_are_are_ended(run: Running) -> None:
    with ExitStack() as open_ones:
        silent = [
            open_ones.enter_context(connected(run.port, said))
            for said in (b"", b"PRI * HT", b"GET /v1/models HT")
            for _ in range(SILENT)
        ]

        assert is_served(run)
        assert all(ended(one, DEADLINE_SECONDS) for one in silent)


def test_the_edge_takes_half_as_many_connections_as_it_has_descriptors(run: Running) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    config = (run.data / "run" / "envoy.yaml").read_text()
    most = int(config.split("max_active_downstream_connections: ")[1].split()[0])

    assert most == min(MOST_CONNECTIONS, min(65_536, hard) // 2)


@linux_only
def test_unfinished_messages_stay_at_the_edge(run: Running, strangers: Strangers) -> None:
    before = {name: memory(run, name) for name in ("server-1", "envoy")}
    message = b"x" * 4_000_000

    with ExitStack() as open_ones:
        for number in range(BODIES):
            attacker = open_ones.enter_context(connected(run.port))
            attacker.sendall(call(1, WATCH if number % 2 else GET_JOB))
            send_unfinished(attacker, 1, message)
        assert memory(run, "envoy") - before["envoy"] > BODIES * len(message) // 2
        grown = memory(run, "server-1") - before["server-1"]

        assert strangers.live_on()
        assert is_served(run)

    assert grown < 40 * MIB


@linux_only
def test_large_bodies_of_strangers_fill_no_memory_and_no_queue(
    run: Running, strangers: Strangers
) -> None:
    # Given many bodies at once, of the most values that are read, and with a token of nobody
    before = memory(run, "http")
    content = b"A" * 3_900_000
    body = b'{"models": [' + b'"",' * 19_000 + b'"' + content + b'"]}'
    stranger = Rest(run.port, "x.y.z")
    small = {"spec": {"prompt": "a boat", "model": "simulator-image"}}

    with ThreadPoolExecutor(JSON_BODIES) as pool:
        sent = [pool.submit(stranger, "POST /v1/costs:estimate", body) for _ in range(JSON_BODIES)]
        # When somebody submits a job meanwhile, then he is served
        assert run.rest("newcomer")("POST /v1/images:generate", small).status == 200
        assert strangers.live_on()
        answers = [one.result() for one in sent]

    # Then each of them is refused by the server alone
    assert {answer.status for answer in answers} == {401}
    assert memory(run, "http") - before < 100 * MIB


def test_long_paths_are_cut_in_the_log(run: Running) -> None:
    log = run.data / "logs" / "envoy.log"
    before = log.stat().st_size
    path = "/" + "a" * 50_000

    for _ in range(LONG_PATHS):
        assert run.rest("nobody")(f"GET {path}").status == 404

    wait_for(lambda: log.read_bytes()[before:].count(b"edge_request") >= LONG_PATHS, "the lines")
    assert log.stat().st_size - before < LONG_PATHS * 1000


def test_a_log_that_callers_fill_is_put_aside_while_everything_runs(
    run: Running, strangers: Strangers
) -> None:
    log = run.data / "logs" / "envoy.log"
    with log.open("ab") as flooded:
        flooded.write(b"x" * ROTATE_BYTES)

    wait_for(lambda: log.stat().st_size < ROTATE_BYTES, "the log to be put aside")

    assert log.with_name("envoy.log.1").stat().st_size <= ROTATE_BYTES
    run.rest("nobody")("GET /a-path-of-this-test")
    wait_for(lambda: b"/a-path-of-this-test" in log.read_bytes(), "Envoy to go on in the new log")
    assert strangers.live_on()


@linux_only
@pytest.mark.timeout(120)
def test_an_edge_that_serves_nobody_is_started_again(own_run: Running) -> None:
    own_run.start()
    edge = own_run.child("envoy")
    assert is_served(own_run)

    post(own_run.data / "run" / "envoy.admin", "/drain_listeners")

    wait_for(lambda: own_run.child("envoy") not in (None, edge), "another Envoy", 60)
    wait_for(lambda: is_served_now(own_run), "the edge to serve again")


def test_web_pages_and_other_users_do_not_reach_the_administration(run: Running) -> None:
    assert (run.data / "run" / "envoy.admin").stat().st_mode & 0o777 == 0o600
    assert "9901" not in (run.data / "run" / "envoy.yaml").read_text()


def post(admin: Path, path: str) -> None:
    """Asks Envoy's administration, as its owner may."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.connect(str(admin))
        connection.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode())
        assert b" 200 " in connection.recv(1000)


def is_served_now(run: Running) -> bool:
    try:
        return is_served(run)
    except OSError:
        return False
