"""`python -m server` as its supervisor runs it: ready, alive, drained, and what it logs."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from rushes.v1 import media_service_pb2 as pb
from server.services import SERVICES
from tests.house import Caller, read_refusal
from tests.rpc.requests import video
from tests.services import Valkey

DEADLINE_SECONDS = 20.0
SECRET = "a prompt that nobody should read in a log"


@dataclass
class Server:
    """A server process, the socket that it tells its state to, and a channel to it."""

    process: "subprocess.Popen[str]"
    folder: Path
    notify: socket.socket
    channel: grpc.Channel

    def told(self) -> str:
        """The next thing that it tells."""
        return self.notify.recv(100).decode()

    def caller(self, user_id: str, seconds: int = 3600) -> Caller:
        """The service as the user, signed in for that long."""
        key = bytes.fromhex((self.folder / "keys" / "jwt.key").read_text().strip())
        now = int(time.time())
        claims = {"sub": user_id, "aud": "rushes", "iss": "rushes", "iat": now - 60}
        token = jwt.encode({**claims, "exp": now + seconds}, key, "HS256")
        return Caller(self.channel, (("authorization", f"Bearer {token}"),))

    def end(self) -> list[dict[str, Any]]:
        """Sends SIGTERM and gives what it logged; it must end well and in time."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=DEADLINE_SECONDS)
        assert self.process.returncode == 0, log
        return [json.loads(line) for line in log.splitlines()]


def start(folder: Path, valkey: Valkey, **variables: str) -> "subprocess.Popen[str]":
    known = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {"RUSHES_DATA_DIR": str(folder), "RUSHES_REDIS_URL": valkey.url}
    return subprocess.Popen(
        [sys.executable, "-m", "server"],
        env={**known, **ours, **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def server(valkey: Valkey) -> Iterator[Server]:
    # A socket's path may have 108 bytes: pytest's folders are longer.
    with tempfile.TemporaryDirectory(prefix="rushes-") as name:
        folder = Path(name)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        notify.settimeout(DEADLINE_SECONDS)
        listen = f"unix:{folder / 'server.sock'}"
        process = start(
            folder,
            valkey,
            RUSHES_GRPC_LISTEN=listen,
            RUSHES_REFLECTION="true",
            NOTIFY_SOCKET=str(folder / "notify"),
        )
        with notify, process, grpc.insecure_channel(listen) as channel:
            running = Server(process, folder, notify, channel)
            assert running.told() == "READY=1"
            yield running
            process.kill()


def test_it_serves_on_a_unix_socket_and_says_that_it_lives(server: Server) -> None:
    assert server.told() == "WATCHDOG=1"
    health: Any = health_pb2_grpc.HealthStub(server.channel)
    answer = health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    server.end()
    while server.told() != "STOPPING=1":
        continue


def test_its_log_is_json_with_known_events_and_without_secrets(server: Server) -> None:
    alice = server.caller("alice")
    alice.call("GenerateVideo", video(SECRET))
    alice.refused("GenerateVideo", video(SECRET + "\0"))
    Caller(server.channel, (("authorization", "Bearer xyzzy"),)).refused(
        "ListJobs", pb.ListJobsRequest()
    )
    log = server.end()
    events = {line["event"] for line in log}
    assert events == {"server_started", "rpc_finished", "server_stopped"}, log
    calls = [line for line in log if line["event"] == "rpc_finished"]
    assert [line["code"] for line in calls] == ["OK", "INVALID_ARGUMENT", "UNAUTHENTICATED"]
    assert calls[0]["user_id"] == "alice"
    text = json.dumps(log)
    assert SECRET not in text
    assert "xyzzy" not in text
    assert "signature" not in text


def test_a_watch_and_a_wait_end_at_once_when_it_drains(server: Server) -> None:
    alice = server.caller("alice")
    job_id = alice.call("GenerateVideo", video()).job.job_id
    waiting = alice.start("GetJob", pb.GetJobRequest(job_id=job_id, wait={"seconds": 50}))
    watch = alice.open("WatchJobs", pb.WatchJobsRequest())
    first = next(watch)
    assert first.events
    started = threading.Thread(target=server.end)
    started.start()
    last = first
    with pytest.raises(grpc.RpcError) as caught:
        for last in watch:  # noqa: B007
            pass
    refusal = read_refusal(caught.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    assert last.events[-1].WhichOneof("event") == "end"
    assert last.resume_token
    assert waiting.result().job.job_id == job_id
    started.join()
    assert server.process.returncode == 0


def test_a_watch_ends_when_its_token_does(server: Server) -> None:
    # The leeway is part of a token's life, so this one is nearly over.
    watch = server.caller("alice", seconds=-28).open("WatchJobs", pb.WatchJobsRequest())
    with pytest.raises(grpc.RpcError) as caught:
        list(watch)
    assert read_refusal(caught.value).reason == "CREDENTIALS_EXPIRED"
    server.end()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_every_service(server: Server, version: str) -> None:
    messages: Any = reflection_pb2
    ask = server.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        messages.ServerReflectionRequest.SerializeToString,
        messages.ServerReflectionResponse.FromString,
    )
    requests = [messages.ServerReflectionRequest(list_services="")]
    [answer] = list(ask(iter(requests), timeout=DEADLINE_SECONDS))
    names = {service.name for service in answer.list_services_response.service}
    assert names >= {service.name for service in SERVICES}
    server.end()


def test_a_taken_port_is_one_clear_sentence(valkey: Valkey, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = start(tmp_path, valkey, RUSHES_GRPC_LISTEN=address)
        _, said = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert said.splitlines()[-1] == f"rushes: RUSHES_GRPC_LISTEN: can't listen on {address}"


def test_a_wrong_setting_is_named(valkey: Valkey, tmp_path: Path) -> None:
    process = start(tmp_path, valkey, RUSHES_SERVER_THREADS="many")
    _, said = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert said.startswith("rushes: RUSHES_SERVER_THREADS: ")
