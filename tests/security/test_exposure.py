"""What a run shows to whom: its ports, what the one port leads to, and what nobody may ask."""

import json
import uuid
from collections.abc import Iterable
from http.client import HTTPConnection
from urllib.parse import urlsplit

import grpc
import pytest

from tests.e2e.processes import PROC, linux_only
from tests.e2e.rest import reason
from tests.e2e.running import Running
from tests.house import House, read_refusal
from tests.services import wait_for

LISTEN = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
# What other systems show to whoever asks, and what of ours is for operators alone.
INNER = [
    *("/metrics", "/stats", "/stats/prometheus", "/config_dump", "/clusters", "/server_info"),
    *("/ready", "/quitquitquit", "/drain_listeners", "/logging", "/memory", "/certs", "/runtime"),
    *("/.git/config", "/.git/HEAD", "/.env", "/.rushes/keys/jwt.key", "/keys/jwt.key"),
    *("/rushes.db", "/envoy.yaml", "/protos/rushes.binpb", "/pyproject.toml", "/admin", "/console"),
    *("/debug/pprof/", "/actuator/env", "/server-status", "/phpinfo.php", "/wp-admin/"),
    *("/media", "/media/", "/media/..", "/v1", "/v1/", "/static/", "/favicon.ico"),
    *("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"),
    *("/grpc.channelz.v1.Channelz/GetServers", "/envoy.admin", "/readyz", "/livez"),
]


def listening(pids: Iterable[int]) -> set[tuple[str, int]]:
    """The addresses, as the kernel writes them, and the ports on which the processes listen."""
    held = {str(link.readlink()) for pid in pids for link in (PROC / str(pid) / "fd").iterdir()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and f"socket:[{fields[9]}]" in held:
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found


@linux_only
def test_a_run_listens_on_two_ports_of_loopback_and_no_other(run: Running) -> None:
    state = json.loads((run.data / "run" / "standalone.json").read_text())
    found = listening([run.pid, *(process.pid for process in run.processes)])

    assert {port for _, port in found} == {run.port, urlsplit(state["metrics"]).port}
    assert {address for address, _ in found} <= LOOPBACK


@pytest.mark.parametrize("path", INNER)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_for_operators_is_not_behind_the_one_port(
    run: Running, method: str, path: str
) -> None:
    answer = run.rest("alice")(f"{method} {path}", {} if method == "POST" else None)

    assert answer.status == 404, answer
    assert reason(answer.json) == "RESOURCE_NOT_FOUND"


def test_health_says_nothing_but_yes(run: Running) -> None:
    answer = run.rest("")("GET /healthz")

    assert (answer.status, answer.body) == (200, b"")
    assert {"server", "x-powered-by"} & answer.headers.keys() <= {"server"}
    assert not any(letter.isdigit() for letter in answer.headers.get("server", ""))


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG"])
def test_no_method_gives_a_request_back(run: Running, method: str) -> None:
    rest = run.rest("alice")
    for path in ("/v1/models", "/media/x/content", "/healthz"):
        try:
            answer = rest(f"{method} {path}", **{"x-canary": "canary-of-trace"})
        except OSError:  # it may hang up too
            continue
        assert path == "/healthz" or answer.status >= 400
        assert rest.token.encode() not in answer.body
        assert b"canary-of-trace" not in answer.body + str(answer.headers).encode()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_is_off_until_somebody_turns_it_on(served: House, version: str) -> None:
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"

    with pytest.raises(grpc.RpcError) as caught:
        list(served.channel.stream_stream(path)(iter([b""]), timeout=20))

    assert read_refusal(caught.value).code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "line",
    [
        *(
            "GET /v1/models",
            "GET /v1/jobs",
            "GET /v1/media",
            "GET /v1/jobs/x",
            "GET /v1/jobs:watch",
        ),
        *("GET /media/x/content", "POST /rushes.v1.MediaService/ListJobs"),
    ],
)
@pytest.mark.parametrize("user", ["alice", ""])
def test_no_cache_keeps_an_answer(run: Running, line: str, user: str) -> None:
    rest = run.rest(user)
    token = {"authorization": f"Bearer {rest.token}"} if user else {}
    grpc_web = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    headers = token | (grpc_web if line.startswith("POST") else {})
    connection = HTTPConnection("localhost", run.port, timeout=20)
    try:
        connection.request(*line.split(), b"\0\0\0\0\0" if line[:4] == "POST" else None, headers)
        answer = connection.getresponse()
        assert answer.getheader("cache-control") == "no-store", answer.getheaders()
    finally:
        connection.close()


def test_the_log_of_the_edge_has_the_true_address_of_who_was_refused(run: Running) -> None:
    log = run.data / "logs" / "envoy.log"
    path = f"/{uuid.uuid4().hex}"

    claims = {"x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9", "forwarded": "for=::9"}
    run.rest("")(f"GET {path}", **claims)

    def line() -> bytes:
        lines = (one for one in log.read_bytes().splitlines() if path.encode() in one)
        return next(lines, b"")

    wait_for(line, "the line of the request")
    assert json.loads(line())["address"] in ("127.0.0.1", "::1")
    assert b"203.0.113.9" not in line()
