"""The peers of events as Systems: each a server, a publisher and a client around a Valkey.

Every watcher has a connection of its own, whatever the shape says: Socket.IO and server-sent events
share none.
"""

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from bench.harness.processes import Child
from bench.harness.systems import Running, Shape
from tests.services import Valkey, valkey_binary

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
NODE_MODULES = FOLDER / "node_modules"
NODE_PACKAGES = ("socket.io", "@socket.io/redis-streams-adapter", "bullmq", "ioredis")
PYTHON_PACKAGES = ("fastapi", "uvicorn", "celery", "taskiq", "taskiq-redis")


@dataclass(frozen=True, slots=True)
class SocketIO:
    """Implements bench.harness.systems.System; `shape` is one of socket_server.mjs."""

    name: str
    shape: str

    @contextlib.contextmanager
    def start(self, shape: Shape) -> Iterator[Running]:
        """Started with all watchers live; ended with everything that it started."""
        who = [str(shape.users), str(shape.devices)]
        with contextlib.ExitStack() as stack:
            valkey = _valkey(stack)
            path = str(valkey.socket)
            server = _child(stack, _node("socket_server", self.shape, path))
            port = str(server.hello()["port"])
            client = _child(stack, _node("socket_client", port, *who))
            publisher = _child(stack, _node("socket_publisher", self.shape, path, *who))
            yield _running(valkey, server, client, publisher)


@dataclass(frozen=True, slots=True)
class ServerSentEvents:
    """Implements bench.harness.systems.System: FastAPI with Redis pub/sub."""

    name: str = "fastapi-sse"

    @contextlib.contextmanager
    def start(self, shape: Shape) -> Iterator[Running]:
        """Started with all watchers live; ended with everything that it started."""
        who = [str(shape.users), str(shape.devices)]
        with contextlib.ExitStack() as stack:
            valkey = _valkey(stack)
            path = str(valkey.socket)
            server = _child(stack, _python("sse_server", path))
            port = str(server.hello()["port"])
            client = _child(stack, _python("sse_client", port, *who))
            publisher = _child(stack, _python("sse_publisher", path, *who))
            yield _running(valkey, server, client, publisher)


STREAMS = SocketIO("socket.io-streams", "streams")
QUEUE = SocketIO("bullmq-queue", "queue")
PROGRESS = SocketIO("bullmq-events", "progress")
EVENT_PEERS = (STREAMS, QUEUE, PROGRESS, ServerSentEvents())


def missing() -> str:
    """Why there are no peers; empty when all are installed."""
    installed = PYTHON.exists() and NODE_MODULES.exists()
    return "" if installed else "the peers are not installed: make bench-setup"


def versions() -> dict[str, str]:
    """Of the peers that are installed."""
    manifests = {name: NODE_MODULES / name / "package.json" for name in NODE_PACKAGES}
    found = {
        name: str(json.loads(file.read_text())["version"])
        for name, file in manifests.items()
        if file.exists()
    }
    folders = [str(path) for path in PYTHON.parents[1].glob("lib/python*/site-packages")]
    packages = {one.name: one.version for one in distributions(path=folders)}
    found |= {name: packages[name] for name in PYTHON_PACKAGES if name in packages}
    if shutil.which("node"):
        found["node"] = subprocess.check_output(["node", "--version"], text=True).strip()
    return found


def _valkey(stack: contextlib.ExitStack) -> Valkey:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-peer-"))
    valkey = Valkey(valkey_binary(), Path(folder))
    valkey.start()
    stack.callback(valkey.kill)
    return valkey


def _child(stack: contextlib.ExitStack, command: Sequence[str]) -> Child:
    child = Child(command)
    stack.callback(child.end)
    return child


def _running(valkey: Valkey, server: Child, client: Child, publisher: Child) -> Running:
    open_ = client.hello()
    publisher.hello()
    assert valkey.process is not None
    children = {"server": server, "publisher": publisher, "client": client}
    pids = {role: child.pid for role, child in children.items()}
    return Running(
        pids=pids | {"valkey": valkey.process.pid},
        client=client,
        publisher=publisher,
        refused=open_["refused"],
        connect_seconds=open_["seconds"],
    )


def _node(program: str, *arguments: str) -> list[str]:
    return ["node", str(FOLDER / f"{program}.mjs"), *arguments]


def _python(module: str, *arguments: str) -> list[str]:
    return [str(PYTHON), "-m", f"bench.peers.{module}", *arguments]
