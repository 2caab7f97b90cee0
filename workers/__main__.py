"""`rushes-worker`, or `python -m workers`: one worker process, until SIGTERM or SIGINT."""

import argparse
import sys
import threading
from collections.abc import Sequence

from core.process.role import run_role, serve_until, stop_signal
from core.process.settings import Settings
from workers.app import WorkerApp


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 after a stop, 1 when a part died, else the one of why it can't start."""
    asked = _parser().parse_args(argv)
    chosen = {} if asked.queues is None else {"worker_queues": asked.queues}
    stopped = stop_signal()
    return run_role("worker", lambda settings: _work(settings, stopped), **chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rushes-worker",
        description="Runs jobs until SIGTERM. Settings are RUSHES_* variables (docs/settings.md).",
    )
    parser.add_argument(
        "--queues",
        metavar="NAMES",
        help="queues to serve, for example video,image; overrides RUSHES_WORKER_QUEUES",
    )
    return parser


def _work(settings: Settings, stopped: threading.Event) -> int:
    app = WorkerApp(settings, on_drain=stopped.set)
    app.start()
    code = serve_until(stopped, lambda: app.sound)
    app.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
