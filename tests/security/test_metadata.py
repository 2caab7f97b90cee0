"""Headers that claim, flood or break, and the places where nothing secret may turn up."""

import json
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
import redis

from core.ids import new_id
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.house import House, Refusal, read_refusal
from tests.rpc.requests import image
from tests.security import http2
from tests.services import wait_for

Code = grpc.StatusCode
Headers = tuple[tuple[str, str | bytes], ...]
# Headers by which other systems say who calls. Here only the token does.
CLAIMS = [
    *("x-user-id", "x-user", "x-userid", "user-id", "x-forwarded-user", "x-remote-user", "x-sub"),
    *("remote-user", "x-auth-request-user", "x-authenticated-userid", "x-rushes-user", "x-email"),
    *("x-forwarded-email", "x-goog-authenticated-user-id", "x-amzn-oidc-identity", "x-tenant-id"),
    *("x-jwt-payload", "x-endpoint-api-userinfo", "x-forwarded-client-cert", "x-real-user"),
    *("cookie", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "x-admin"),
    *("x-original-user", "x-impersonate-user", "impersonate-user", "x-role", "x-scope"),
]


def call(served: House, method: str, request: Any, headers: Headers, user: str = "alice") -> Any:
    """The answer, or how the call is refused."""
    known: Headers = (("authorization", f"Bearer {served.token(user)}"),) if user else ()
    send = getattr(rpc.MediaServiceStub(served.channel), method)
    try:
        return send(request, metadata=(*known, *headers), timeout=20)
    except grpc.RpcError as error:
        return read_refusal(error)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_header_says_nothing_about_who_calls(served: House, name: str) -> None:
    value = f"Bearer {served.token('victim')}" if "authorization" in name else "victim"
    request = image(prompt=f"mine {uuid.uuid4().hex}")

    job = call(served, "GenerateImage", request, ((name, value),)).job

    assert job.user_id == "alice"
    assert not call(served, "ListJobs", pb.ListJobsRequest(), (), "victim").jobs


@pytest.mark.parametrize("name", CLAIMS)
def test_a_header_is_no_token(served: House, name: str) -> None:
    value = f"Bearer {served.token('alice')}"
    refusal = call(served, "ListJobs", pb.ListJobsRequest(), ((name, value),), user="")
    assert (refusal.code, refusal.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_MISSING")


def test_a_token_in_a_binary_header_is_none(served: House) -> None:
    token = f"Bearer {served.token('alice')}".encode()
    refusal = call(
        served, "ListJobs", pb.ListJobsRequest(), (("authorization-bin", token),), user=""
    )
    assert refusal.reason == "CREDENTIALS_MISSING"


SCHEMES = [
    *("Basic {}", "Token {}", "JWT {}", "{}", "Bearer: {}", "Bearer={}", "Bearer,{}"),
    *('Bearer "{}"', "Bearer token={}", "Bearer {} x", "Bearer x {}", "Bearer  {}", "DPoP {}"),
    *(
        "Bearer Bearer {}",
        "bearer_token {}",
        "Negotiate {}",
        "Digest {}",
        "Bearer {},",
        "Bearer {};",
    ),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_the_authorization_header_has_one_form(served: House, scheme: str) -> None:
    value = scheme.format(served.token("alice"))
    headers: Headers = (("authorization", value),)
    refusal = call(served, "ListJobs", pb.ListJobsRequest(), headers, user="")
    assert (refusal.code, refusal.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert served.token("alice")[:30] not in refusal.message


@pytest.mark.parametrize("count", [1_000, 4_000, 6_000])
def test_a_long_header_does_no_harm(served: House, count: int) -> None:
    headers: Headers = (("x-long", "a" * count),)
    assert call(served, "ListModels", pb.ListModelsRequest(), headers).models


@pytest.mark.parametrize("count", [20_000, 100_000, 1_000_000])
@pytest.mark.parametrize("name", ["x-long", "x-request-id", "x-long-bin"])
def test_a_header_that_is_too_long_is_refused_and_nobody_else(
    served: House, name: str, count: int
) -> None:
    value = b"a" * count if name.endswith("-bin") else "a" * count
    refusal = call(served, "ListModels", pb.ListModelsRequest(), ((name, value),))
    assert isinstance(refusal, Refusal)
    assert refusal.code in (Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE)
    assert call(served, "ListModels", pb.ListModelsRequest(), ()).models


def test_many_headers_are_refused_and_nobody_else(served: House) -> None:
    headers: Headers = tuple((f"x-{number}", "a" * 20) for number in range(5_000))
    assert isinstance(call(served, "ListModels", pb.ListModelsRequest(), headers), Refusal)
    assert call(served, "ListModels", pb.ListModelsRequest(), ()).models


# Bytes that no honest library sends in a header.
RAW = {
    "a line break": "a\r\nx-user-id: victim",
    "a line break alone": "a\nb",
    "NUL": "a\0b",
    "an escape": "\x1b[2J",
    "delete": "\x7f",
    "no ASCII": "é\u202e",
    "much": "a" * 15_000,
}
NAMES = ["x-request-id", "authorization", "grpc-timeout", "x-evil", "user-agent", "grpc-encoding"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", RAW)
def test_bytes_that_are_no_header_end_their_call_alone(served: House, name: str, kind: str) -> None:
    ends = http2.END_HEADERS | http2.END_STREAM
    with http2.connected(served.app.port) as connection:
        connection.sendall(http2.call(1, http2.GET_JOB, ends, **{name: RAW[kind]}))
        assert call(served, "ListModels", pb.ListModelsRequest(), ()).models


@dataclass(frozen=True)
class Leaks:
    """A run in which somebody put words everywhere that must turn up nowhere."""

    run: Running
    canaries: dict[str, str]

    def found_in(self, data: bytes) -> list[str]:
        return [name for name, text in self.canaries.items() if text.encode() in data]


@pytest.fixture(scope="module")
def leaks(run: Running) -> Leaks:
    """Words in a prompt, a title, a label, headers, ids, tokens and addresses."""
    word = {name: f"canary{uuid.uuid4().hex}" for name in ("prompt", "title", "label", "header")}
    rest = run.rest("leaky")
    body = {
        "spec": {"prompt": word["prompt"], "model": "simulator-image"},
        "options": {"labels": {"node": word["label"]}},
    }
    made = rest("POST /v1/images:generate", body).json["job"]["jobId"]

    def ended() -> Any:
        job = rest(f"GET /v1/jobs/{made}").json["job"]
        return job if job["state"] == "SUCCEEDED" else None

    wait_for(ended, "the job to end")
    media = ended()["outputs"][0]
    rest(f"PATCH /v1/media/{media['mediaId']}", {"title": word["title"]})
    rest.media(media["url"])
    rest.media(media["url"][:-1])
    rest(f"GET /v1/media?query={word['title']}")
    failing = {"spec": {"prompt": f"sim:fail {word['prompt']}", "model": "simulator-image"}}
    rest("POST /v1/images:generate", failing)
    for header in ("x-request-id", "x-evil", "user-agent", "referer", "origin"):
        rest("GET /v1/models", **{header.replace("-", "_"): word["header"]})
    word["signature"] = media["url"].partition("signature=")[2][:30]
    word["token"] = rest.token[-30:]
    word["signing key"] = (run.data / "keys" / "signing.key").read_text().strip()
    word["token key"] = (run.data / "keys" / "jwt.key").read_text().strip()
    return Leaks(run, word)


def test_no_log_has_it_and_each_line_is_one(leaks: Leaks) -> None:
    logs = [path for path in (leaks.run.data / "logs").rglob("*") if path.is_file()]
    assert logs
    for path in logs:
        data = path.read_bytes()
        assert not leaks.found_in(data), path.name
        assert b"\x1b" not in data
    for name in ("server-1", "http", "worker-1"):
        for line in (leaks.run.data / "logs" / f"{name}.log").read_text().splitlines():
            assert json.loads(line)["event"]


def test_what_the_run_prints_has_none_of_it(leaks: Leaks) -> None:
    assert not leaks.found_in(leaks.run.printed.encode())


def test_no_metric_has_it(leaks: Leaks) -> None:
    state = json.loads((leaks.run.data / "run" / "standalone.json").read_text())
    with urlopen(state["metrics"], timeout=20) as answer:
        assert not leaks.found_in(answer.read())


def test_no_name_of_a_key_in_valkey_has_it(leaks: Leaks) -> None:
    with redis.Redis(unix_socket_path=str(leaks.run.data / "run" / "valkey.sock")) as client:
        keys = b"\n".join(client.scan_iter())
        clients = str(client.client_list()).encode()
    assert keys
    assert not leaks.found_in(keys + clients)


@linux_only
def test_no_command_line_has_it(leaks: Leaks) -> None:
    lines = [
        Path(f"/proc/{process.pid}/cmdline").read_bytes()
        for process in leaks.run.processes
        if Path(f"/proc/{process.pid}/cmdline").exists()
    ]
    assert lines
    assert not leaks.found_in(b"\n".join(lines))


def test_no_file_of_the_run_can_be_read_by_others(leaks: Leaks) -> None:
    listed = subprocess.run(
        ["find", str(leaks.run.data), "-perm", "/077", "-not", "-type", "l"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert listed.stdout.splitlines() == []


def test_an_error_says_nothing_of_what_was_sent(served: House) -> None:
    canary = f"canary{uuid.uuid4().hex}"
    refused = [
        call(served, "GenerateImage", image(f"sim:{canary}", model="simulator-image"), ()),
        call(served, "GenerateImage", image("a" * 9000 + canary), ()),
        call(served, "GetJob", pb.GetJobRequest(job_id=canary), ()),
        call(served, "ListJobs", pb.ListJobsRequest(page_token=canary), ()),
        call(served, "GetJob", pb.GetJobRequest(job_id=new_id()), (("x-evil", canary),)),
    ]
    assert all(isinstance(one, Refusal) for one in refused)
    # The simulator's words are named, because a misspelt one would do nothing.
    assert not [one for one in refused[1:] if canary in str(one)]
