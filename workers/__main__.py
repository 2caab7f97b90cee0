"""`rushes-worker`, or `python -m workers`: one worker process, until SIGTERM or SIGINT."""

import argparse
import sys
import threading
from collections.abc import Sequence

from core.process.memory import collect_seldom
from core.process.role import run_role, serve_until, stop_signal
from core.process.settings import Settings
from workers.app import WorkerApp

# See `core.process.memory`.
FULL_LOOKS = 10


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
    # Thousands of deliveries under way are looked through for a fifth of their CPU. What a job
    # leaves may be large, so that everything is looked at more often than in a server.
    collect_seldom(FULL_LOOKS)
    code = serve_until(stopped, lambda: app.sound)
    app.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
