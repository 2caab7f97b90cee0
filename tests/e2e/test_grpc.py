"""gRPC by a tool that people use: it knows the service from reflection alone."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

from tests.e2e.running import Running
from tests.services import missing

SERVICE = "rushes.v1.MediaService"
GRPC = ("--protocol", "grpc", "--http2-prior-knowledge")
GRPC_WEB = ("--protocol", "grpcweb")
INVALID_ARGUMENT = 3
IMAGE = {"spec": {"prompt": "a paper boat", "size": "256x256"}}


class Buf:
    """`buf curl` as one user. It exits with 8 times the gRPC code."""

    def __init__(self, run: Running, user: str) -> None:
        self._binary = Path(sys.executable).with_name("buf")
        if not self._binary.exists():
            missing("buf")
        self._address = f"http://localhost:{run.port}"
        self._sign_in = ("-H", f"authorization: Bearer {run.token(user)}")

    def call(self, protocol: tuple[str, ...], method: str, request: Any) -> list[Any]:
        done = self.run(*protocol, *self._sign_in, "-d", json.dumps(request), method=method)
        assert done.returncode == 0, done.stderr
        return parse_many(done.stdout)

    def run(self, *options: str, method: str = "") -> "subprocess.CompletedProcess[str]":
        address = f"{self._address}/{SERVICE}/{method}" if method else self._address
        command = [str(self._binary), "curl", *options, address]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def refusal(self, protocol: tuple[str, ...], method: str, request: Any) -> tuple[int, Any]:
        done = self.run(*protocol, *self._sign_in, "-d", json.dumps(request), method=method)
        return done.returncode, json.loads(done.stderr)


def parse_many(text: str) -> list[Any]:
    """JSON values that follow each other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


@pytest.fixture
def buf(run: Running, user: str) -> Buf:
    return Buf(run, user)


protocols = pytest.mark.parametrize("protocol", [GRPC, GRPC_WEB], ids=["grpc", "grpc-web"])


@protocols
def test_a_job_is_submitted_and_watched_until_it_is_done(
    buf: Buf, protocol: tuple[str, ...]
) -> None:
    [accepted] = buf.call(protocol, "GenerateImage", IMAGE)
    job_id = accepted["job"]["jobId"]
    responses = buf.call(protocol, "WatchJobs", {"jobIds": [job_id], "untilDone": True})
    [got] = buf.call(protocol, "GetJob", {"jobId": job_id})

    events = [event for response in responses for event in response.get("events", [])]
    assert all(response["resumeToken"] for response in responses)
    assert {"synced": {}} in events
    assert events[-1] == {"end": {}}
    [ended] = [e["job"]["job"] for e in events if "endTime" in e.get("job", {}).get("job", {})]
    assert (ended["state"], got["job"]["state"]) == ("SUCCEEDED", "SUCCEEDED")
    assert got["job"]["outputs"][0]["mimeType"] == "image/png"


@protocols
def test_an_error_comes_with_its_details(buf: Buf, protocol: tuple[str, ...]) -> None:
    spec = {"prompt": "sea", "model": "no-such-model"}
    exit_code, error = buf.refusal(protocol, "GenerateVideo", {"spec": spec})

    assert exit_code == INVALID_ARGUMENT * 8
    assert error["code"] == "invalid_argument"
    details = {d["type"]: base64.b64decode(d["value"] + "==") for d in error["details"]}
    info = error_details_pb2.ErrorInfo.FromString(details["google.rpc.ErrorInfo"])
    assert (info.reason, info.domain) == ("FIELD_INVALID", "rushes")
    bad = error_details_pb2.BadRequest.FromString(details["google.rpc.BadRequest"])
    assert [violation.field for violation in bad.field_violations] == ["spec.model"]


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
def test_reflection_lists_the_services(buf: Buf, version: str) -> None:
    done = buf.run(*GRPC, "--reflect-protocol", version, "--list-services")

    assert done.returncode == 0, done.stderr
    assert {SERVICE, "grpc.health.v1.Health"} <= set(done.stdout.split())


def test_reflection_describes_every_method(buf: Buf) -> None:
    done = buf.run(*GRPC, "--list-methods")

    assert {f"{SERVICE}/{name}" for name in ("GenerateVideo", "WatchJobs", "DeleteMedia")} <= set(
        done.stdout.split()
    )
