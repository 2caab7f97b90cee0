"""A whole installation of real processes on short leases, any of which may be killed or frozen."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from rushes import Client
from rushes.errors import RushesError
from rushes.v1 import media_service_pb2 as pb
from tests.services import Valkey, valkey_binary, wait_for
from tests.tokens import make_token

FAST = {
    "RUSHES_LEASE_SECONDS": "1.5",
    "RUSHES_HEARTBEAT_SECONDS": "0.3",
    "RUSHES_RESCUE_SECONDS": "0.2",
    "RUSHES_COMPARE_SECONDS": "0.3",
    "RUSHES_MAX_ATTEMPTS": "100",
    "RUSHES_WORKER_THREADS": "2",
    "RUSHES_USER_REQUESTS_PER_SECOND": "10000",
    "RUSHES_USER_REQUEST_BURST": "10000",
    "RUSHES_DRAIN_CALL_SECONDS": "1",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """One process of ours; `kill` is SIGKILL."""

    def __init__(self, module: str, env: dict[str, str], log: Path) -> None:
        self._command = [sys.executable, "-m", module]
        self._env = env
        self._log = log
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.running = subprocess.Popen(self._command, env=self._env, stderr=log, stdout=log)

    def kill(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None

    def stop(self) -> int:
        assert self.running is not None
        self.running.terminate()
        code = self.running.wait(timeout=20)
        self.running = None
        return code

    def freeze(self) -> None:
        assert self.running is not None
        self.running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.running is not None:
            self.running.send_signal(signal.SIGCONT)


class Installation:
    """Valkey, one server and some workers on one data folder."""

    def __init__(self, folder: Path, database_url: str, worker_count: int = 2) -> None:
        self.folder = folder
        valkey_folder = folder / "valkey"
        valkey_folder.mkdir()
        self.valkey = Valkey(valkey_binary(), valkey_folder)
        self.port = free_port()
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RUSHES_")}
        self._env = {
            **clean,
            **FAST,
            "RUSHES_DATA_DIR": str(folder / "data"),
            "RUSHES_DATABASE_URL": database_url,
            "RUSHES_REDIS_URL": self.valkey.url,
            "RUSHES_GRPC_LISTEN": f"127.0.0.1:{self.port}",
        }
        self.server = self._process("server", "server")
        self.workers = [self._process("workers", f"worker-{i}") for i in range(worker_count)]

    def start(self) -> None:
        self.valkey.start()
        self.server.start()
        for worker in self.workers:
            worker.start()
        wait_for(self._answers, "the server")

    def close(self) -> None:
        for process in self.processes:
            process.thaw()
            process.kill()
        self.valkey.kill()

    @property
    def processes(self) -> list[Process]:
        return [self.server, *self.workers]

    def client(self, user_id: str = "alice") -> Client:
        key = self.folder / "data" / "keys" / "jwt.key"
        return Client(f"127.0.0.1:{self.port}", token=make_token(key, user_id))

    def _process(self, module: str, name: str) -> Process:
        return Process(module, self._env, self.folder / f"{name}.log")

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                client.list_models()
        except (RushesError, OSError):
            return False
        return True


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
