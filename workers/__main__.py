"""`python -m workers`: one worker process, until SIGTERM or SIGINT."""

import signal
import sys
import threading

from core import notify
from core.errors import RushesError, exit_code
from core.settings import read_settings
from core.telemetry import configure_logging
from workers.app import WorkerApp

ALIVE_SECONDS = 5.0


def main() -> int:
    """Runs until it is asked to stop; 0 then, 1 when a part of it died, else why it can't start."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        settings = read_settings()
        configure_logging(settings.log_level, "worker")
        app = WorkerApp(settings)
        app.start()
    except RushesError as error:
        print(f"rushes: {error.message}", file=sys.stderr)
        return exit_code(error)
    notify.ready()
    while app.sound and not stopped.wait(ALIVE_SECONDS):
        notify.alive()
    notify.stopping()
    app.close()
    return 0 if stopped.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
