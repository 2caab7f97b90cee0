"""`rushes-worker`, or `python -m workers`: one worker process, until SIGTERM or SIGINT."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from core.errors import RushesError, exit_code
from core.process import systemd
from core.process.exposition import metrics_served
from core.process.settings import Settings, read_settings
from core.process.telemetry import configure_logging
from workers.app import WorkerApp

ALIVE_SECONDS = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until it is asked to stop; 0 then, 1 when a part of it died, else why it can't start."""
    asked = _parser().parse_args(argv)
    chosen = {} if asked.queues is None else {"worker_queues": asked.queues}
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        settings = read_settings(**chosen)
        configure_logging(settings.log_level, "worker", settings.process_name)
        with metrics_served(settings.metrics_listen):
            return _work(settings, stopped)
    except RushesError as error:
        print(f"rushes: {error.message}", file=sys.stderr)
        return exit_code(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rushes-worker",
        description="Runs jobs until SIGTERM. Settings are RUSHES_* variables (docs/settings.md).",
    )
    parser.add_argument(
        "--queues",
        metavar="NAMES",
        help="queues to serve, such as video,image; instead of RUSHES_WORKER_QUEUES",
    )
    return parser


def _work(settings: Settings, stopped: threading.Event) -> int:
    app = WorkerApp(settings)
    app.start()
    systemd.ready()
    while app.sound and not stopped.wait(ALIVE_SECONDS):
        systemd.alive()
    systemd.stopping()
    app.close()
    return 0 if stopped.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
