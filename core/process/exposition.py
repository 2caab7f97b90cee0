"""Serves a process's metrics over HTTP in threads of their own, so that a busy process answers."""

import contextlib
import functools
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, MetricsHandler

from core.errors import SettingsInvalid
from core.process.metrics import REGISTRY

READER_SECONDS = 10.0
# How long the metrics may delay the end of the process.
POLL_SECONDS = 0.1


class _Handler(MetricsHandler):
    """One request; the connection of a reader that stalls is closed."""

    timeout = READER_SECONDS


class _PortServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A TCP server. That of http.server asks the name service for this machine's name."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a reader went away."""


class _Port6Server(_PortServer):
    address_family = socket.AF_INET6


class _SocketServer(_PortServer):
    address_family = socket.AF_UNIX
    allow_reuse_address = False


@contextlib.contextmanager
def metrics_served(listen: str, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Serves the metrics on `listen` until the block ends: host:port or unix:/path; empty: nowhere.

    Raises:
        SettingsInvalid: when it can't listen there.
    """
    if not listen:
        yield
        return
    handler = type("Handler", (_Handler,), {"registry": registry})
    try:
        server = _open(listen, handler)
    except (OSError, ValueError, OverflowError) as error:
        cause = error.strerror if isinstance(error, OSError) else "use host:port or unix:/path"
        raise SettingsInvalid(f"RUSHES_METRICS_LISTEN: {listen}: {cause}") from None
    serve = functools.partial(server.serve_forever, POLL_SECONDS)
    thread = threading.Thread(target=serve, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        if listen.startswith("unix:"):
            Path(listen.removeprefix("unix:")).unlink(missing_ok=True)


def _open(listen: str, handler: Any) -> _PortServer:
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:"))
        path.unlink(missing_ok=True)  # left by a run that was killed
        address: Any = str(path)
        server: _PortServer = _SocketServer(address, handler)
        path.chmod(0o600)
        return server
    host, _, port = listen.rpartition(":")
    kind = _Port6Server if ":" in host else _PortServer
    return kind((host.strip("[]") or "127.0.0.1", int(port)), handler)
