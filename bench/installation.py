"""A whole installation for a benchmark: Valkey, a database that waits for its disk, server
processes and worker processes (`bench.worker`), on sockets and in a folder of their own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench.worker import MODEL
from tests.services import Postgres, Valkey, valkey_binary
from tests.tokens import make_token

DATABASES = ("sqlite", "postgres")
UNLIMITED = "1000000"
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Installation:
    """Where it is."""

    address: str
    data: Path
    database_url: str
    redis_url: str
    processes: "dict[str, subprocess.Popen[bytes]]"
    environment: dict[str, str]

    def token(self, user_id: str, **claims: Any) -> str:
        """What the user signs in with; `claims` are more of them, such as a scope."""
        return make_token(self.data / "keys" / "jwt.key", user_id, **claims)


@contextmanager
def installation(
    database: str,
    worker_count: int,
    *,
    port: int = 0,
    more_ports: Sequence[int] = (),
    in_memory: bool = False,
    settings: Mapping[str, str] | None = None,
    url: str = "",
) -> Iterator[Installation]:
    """Started and ready; ended with all its processes and files.

    With a URL it uses that database, which somebody else has made. The server listens on the TCP
    port if one is given, and `server-2` and those after it on `more_ports`. With `in_memory` no
    disk is part of what is measured, if the machine has a folder in memory. `settings` are
    RUSHES_* variables of all processes.
    """
    with ExitStack() as stack:
        place = MEMORY if in_memory and MEMORY.is_dir() else None
        temporary = tempfile.TemporaryDirectory(prefix="rushes-bench-", dir=place)
        folder = Path(stack.enter_context(temporary))
        (folder / "valkey").mkdir()
        (folder / "models.toml").write_text(MODEL)
        valkey = Valkey(valkey_binary(), folder / "valkey")
        valkey.start()
        stack.callback(valkey.kill)
        made = not url
        url = url or f"sqlite:///{folder / 'rushes.db'}"
        cluster = Postgres(durable=not in_memory) if database == "postgres" and made else None
        if cluster is not None:
            stack.callback(cluster.stop)
            cluster.start()
            url = cluster.url()
        address = f"127.0.0.1:{port}" if port else f"unix:{folder / 'server.sock'}"
        env = _environment(folder, url, valkey.url, address) | dict(settings or {})
        found = {"valkey": valkey.process, "postgres": cluster.process if cluster else None}
        processes = {name: process for name, process in found.items() if process is not None}

        def start(name: str, module: str, listen: str = address) -> None:
            own = env | {"RUSHES_GRPC_LISTEN": listen}
            processes[name] = process = subprocess.Popen([sys.executable, "-m", module], env=own)
            stack.callback(end, process)

        start("server", "server")
        _wait_until_it_serves(address)
        others = [f"127.0.0.1:{more}" for more in more_ports]
        for number, other in enumerate(others, 2):
            start(f"server-{number}", "server", other)
        for other in others:
            _wait_until_it_serves(other)
        for index in range(worker_count):
            start(f"worker-{index}", "bench.worker")
        yield Installation(address, folder / "data", url, valkey.url, processes, env)


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
        "RUSHES_USER_WATCH_OPENS_PER_SECOND": UNLIMITED,
        "RUSHES_USER_WATCH_OPEN_BURST": UNLIMITED,
        "RUSHES_LOG_LEVEL": "ERROR",
    }


def _wait_until_it_serves(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Asks it to end, and waits until it has."""
    process.terminate()
    process.wait()
