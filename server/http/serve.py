"""The process around the application: its socket, its signals, its signs of life."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from core.errors import SettingsInvalid
from core.process import systemd
from core.process.role import SIGNALS, alive
from core.process.telemetry import get_logger
from server.http.downloads import connections

log = get_logger(__name__)

# The edge keeps an idle connection for 1 h. This must be longer, so that the edge closes first:
# else it may send a request on a connection that is just going away.
_KEEP_ALIVE_SECONDS = 3700
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Uvicorn with exit code 0 after SIGTERM. By itself it would raise the signal again."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        systemd.ready()

    def _stop(self) -> None:
        systemd.stopping()
        self._drain()
        self.should_exit = True


async def serve(
    app: ASGIApp,
    listen: str,
    *,
    drain: Callable[[], None],
    drain_seconds: float,
    stuck_seconds: float,
) -> None:
    """Serves `app` on `listen` (host:port or unix:/path) until SIGTERM or SIGINT. Then it calls
    `drain`, which ends what would not end by itself, and lets requests end for `drain_seconds`. A
    reader that takes nothing for `stuck_seconds` is cut off.

    Raises:
        SettingsInvalid: when it can't listen there.
    """
    config = uvicorn.Config(
        app,
        http=connections(stuck_seconds),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,  # it would log the query; AccessLog does not
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
    )
    with _listening(listen) as listener:
        log.info("http_serving", listen=listen)
        async with alive():
            await _Server(config, drain).serve(sockets=[listener])


@contextlib.contextmanager
def _listening(listen: str) -> Iterator[socket.socket]:
    path = Path(listen.removeprefix("unix:")) if listen.startswith("unix:") else None
    try:
        listener = _bind_path(path) if path else _bind_port(listen)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "use host:port or unix:/path"
        raise SettingsInvalid(f"RUSHES_HTTP_LISTEN: {listen}: {cause}") from None
    try:
        yield listener
    finally:
        listener.close()
        if path:
            path.unlink(missing_ok=True)


def _bind_path(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of a run that was killed
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_port(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    address = (host.strip("[]"), int(port))
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return socket.create_server(address, family=family, backlog=_BACKLOG)
