"""The start and the end of every process of the product, whatever its role.

A process reads its settings, sets up logging, serves its metrics, works, and tells whoever started
it that it serves, lives and stops (`systemd`). An error of ours becomes one sentence and an exit
code.
"""

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from core.errors import RushesError, exit_code
from core.process import systemd
from core.process.exposition import metrics_served
from core.process.settings import Settings, read_settings
from core.process.telemetry import configure_logging

ALIVE_SECONDS = 5.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_role(role: str, work: Callable[[Settings], int], **chosen: Any) -> int:
    """Runs `work` with the settings of the environment, in which `chosen` ones come first.

    Returns what `work` returns, or the exit code of the error for which the process can't go on.
    """
    try:
        settings = read_settings(**chosen)
        configure_logging(settings.log_level, role, settings.process_name)
        with metrics_served(settings.metrics_listen):
            return work(settings)
    except RushesError as error:
        print(f"rushes: {error.message}", file=sys.stderr)
        return exit_code(error)


def stop_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on. Call it in the main thread."""
    stopped = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def serve_until(stopped: threading.Event, is_sound: Callable[[], bool]) -> int:
    """Says that the process serves, and that it lives while it is sound, until it is `stopped`.

    Returns 0 when it was stopped, 1 when it is not sound any more.
    """
    systemd.ready()
    while is_sound() and not stopped.wait(ALIVE_SECONDS):
        systemd.alive()
    systemd.stopping()
    return 0 if stopped.is_set() else 1


async def serve_until_async(broken: Coroutine[Any, Any, None]) -> int:
    """As `serve_until` in an event loop, until SIGTERM, SIGINT, or the end of `broken`."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    systemd.ready()
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(broken)]
    async with alive():
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    systemd.stopping()
    for task in waits:
        task.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return 0 if stop.is_set() else 1


@contextlib.asynccontextmanager
async def alive() -> AsyncIterator[None]:
    """Says that the process lives, as long as its event loop turns and the block lasts."""
    beat = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)


async def _beat() -> None:
    while True:
        systemd.alive()
        await asyncio.sleep(ALIVE_SECONDS)
