"""A whole installation for a benchmark: Valkey, a database that waits for its disk, one server
process and worker processes (`bench.worker`), on sockets and in a folder of their own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.worker import MODEL
from tests.services import Postgres, Valkey, valkey_binary
from tests.tokens import make_token

DATABASES = ("sqlite", "postgres")
UNLIMITED = "1000000"


@dataclass(frozen=True)
class Installation:
    """Where it is."""

    address: str
    data: Path
    database_url: str
    processes: "dict[str, subprocess.Popen[bytes]]"
    environment: dict[str, str]

    def token(self, user_id: str) -> str:
        """What the user signs in with."""
        return make_token(self.data / "keys" / "jwt.key", user_id)


@contextmanager
def installation(database: str, worker_count: int) -> Iterator[Installation]:
    """Started and ready; ended with all its processes and files."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-bench-")))
        (folder / "valkey").mkdir()
        (folder / "models.toml").write_text(MODEL)
        valkey = Valkey(valkey_binary(), folder / "valkey")
        valkey.start()
        stack.callback(valkey.kill)
        url = f"sqlite:///{folder / 'rushes.db'}"
        cluster = Postgres(durable=True) if database == "postgres" else None
        if cluster is not None:
            stack.callback(cluster.stop)
            cluster.start()
            url = cluster.url()
        address = f"unix:{folder / 'server.sock'}"
        env = _environment(folder, url, valkey.url, address)
        workers = {f"worker-{index}": "bench.worker" for index in range(worker_count)}
        modules = {"server": "server", **workers}
        found = {"valkey": valkey.process, "postgres": cluster.process if cluster else None}
        processes = {name: process for name, process in found.items() if process is not None}
        for name, module in modules.items():
            processes[name] = process = subprocess.Popen([sys.executable, "-m", module], env=env)
            stack.callback(end, process)
            if name == "server":
                _wait_until_it_serves(address)
        yield Installation(address, folder / "data", url, processes, env)


def _environment(folder: Path, database: str, valkey: str, address: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    return clean | {
        "RUSHES_DATA_DIR": str(folder / "data"),
        "RUSHES_DATABASE_URL": database,
        "RUSHES_REDIS_URL": valkey,
        "RUSHES_GRPC_LISTEN": address,
        "RUSHES_MODELS_FILE": str(folder / "models.toml"),
        "RUSHES_MAX_QUEUED_JOBS": UNLIMITED,
        "RUSHES_USER_REQUESTS_PER_SECOND": UNLIMITED,
        "RUSHES_USER_REQUEST_BURST": UNLIMITED,
        "RUSHES_LOG_LEVEL": "ERROR",
    }


def _wait_until_it_serves(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)


def cpu_seconds(pid: int) -> float:
    """Of the process and its children so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(fields[place]) for place in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Asks it to end, and waits until it has."""
    process.terminate()
    process.wait()
