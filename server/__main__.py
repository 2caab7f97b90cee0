"""The gRPC server process: `python -m server`."""

import asyncio
import signal
import sys

import uvloop

from core.errors import RushesError, exit_code
from core.process import systemd
from core.process.exposition import metrics_served
from core.process.settings import Settings, read_settings
from core.process.telemetry import configure_logging
from server.app import ServerApp

_ALIVE_SECONDS = 5.0


def main() -> None:
    """Serves until SIGTERM; ends with one sentence when it can't start."""
    try:
        settings = read_settings()
        configure_logging(settings.log_level, "server", settings.process_name)
        with metrics_served(settings.metrics_listen):
            # Every call and every frame costs a tenth less than with asyncio's own loop.
            sys.exit(uvloop.run(_serve(settings)))
    except RushesError as error:
        print(f"rushes: {error.message}", file=sys.stderr)
        sys.exit(exit_code(error))


async def _serve(settings: Settings) -> int:
    """0 when it was asked to stop, 1 when a part of it died."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = ServerApp(settings)
    await app.start()
    systemd.ready()
    beat = asyncio.create_task(_beat())
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(app.broken())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    systemd.stopping()
    await app.stop()
    for task in (beat, *waits):
        task.cancel()
    await asyncio.gather(beat, *waits, return_exceptions=True)
    return 0 if stop.is_set() else 1


async def _beat() -> None:
    while True:
        systemd.alive()
        await asyncio.sleep(_ALIVE_SECONDS)


if __name__ == "__main__":
    main()
