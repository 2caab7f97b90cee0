"""A worker process whose only provider makes the smallest picture there is, at once."""

import io
import signal
import threading
from pathlib import Path

from PIL import Image

from bench.peers import noop
from core.jobs import Job
from core.process.settings import read_settings
from core.process.telemetry import configure_logging
from workers.app import WorkerApp
from workers.providers import Monitor, Output, ReadInput

MODEL = """
[noop]
provider = "builtin"
display_name = "Nothing"
price_revision = "noop-1"

[noop.image]
aspect_ratios = ["1:1"]
resolutions = ["256x256"]
min_side = 256
max_side = 2048
max_output_count = 1
max_references = 0
fields = []
qualities = ["DRAFT", "STANDARD", "HIGH"]
cancellable = true
prices = [{ micros_per_image = 0, text = "free" }]
"""


def _smallest_picture() -> bytes:
    data = io.BytesIO()
    Image.new("L", (1, 1)).save(data, "PNG")
    return data.getvalue()


PICTURE = _smallest_picture()


class Noop:
    """Implements workers.providers.LocalProvider."""

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Writes one pixel; a job that takes its time (`bench.peers.noop`) says so."""
        if noop.SECONDS:
            noop.run(job.job_id)
        path.write_bytes(PICTURE)
        return Output(made_here=True)


def main() -> None:
    """Runs jobs until SIGTERM."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    settings = read_settings()
    configure_logging(settings.log_level, "worker", settings.process_name)
    app = WorkerApp(settings, {"builtin": Noop()})
    app.start()
    stopped.wait()
    app.close()


if __name__ == "__main__":
    main()
