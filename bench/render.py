"""How fast the built-in renderer makes 720p film on one core, and how much memory it takes.

Run it from the repository: `.venv/bin/python -m bench.render [--seconds 8] [--prompt "..."]`.
"""

import os
import tempfile
import time
from pathlib import Path

# Before numpy loads: one core is what the figure is about.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.processes import resident_kib
from bench.harness.report import metric
from bench.harness.results import row_of
from core.specs import VideoSpec
from workers.providers.builtin import render_video

PROMPTS = ("calm ocean waves at sunset", "a city at night in the rain", "snow in a pine forest")


COLUMNS = [
    metric("seconds of film a second", "film_per_s", 2),
    metric("CPU, s", "cpu_s", 2),
    metric("KiB", "kib", range=False),
    metric("peak of the process, MiB", "peak_mib", range=False),
]


def main() -> None:
    """Renders each prompt and prints a line for it."""
    parser = command.options(__doc__, repetitions=1)
    parser.add_argument("--seconds", type=int, default=8, help="length of the film (1..10)")
    parser.add_argument("--prompt", action="append", help="instead of the three usual ones")
    asked = parser.parse_args()
    run = command.begin()
    _pin_to_one_core()
    rows = []
    for prompt in asked.prompt or PROMPTS:
        each = [_rendered(prompt, asked.seconds) for _ in range(asked.repetitions)]
        rows.append(row_of(prompt, "rushes", run, each))
    command.finish("render", rows, COLUMNS, asked.write)


def _rendered(prompt: str, seconds: int) -> Values:
    spec = VideoSpec(
        prompt=prompt,
        model="builtin",
        duration_ms=seconds * 1000,
        aspect_ratio="16:9",
        resolution="720p",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        start, start_cpu = time.perf_counter(), time.process_time()
        render_video(
            spec,
            seed=7,
            first_frame=None,
            path=path,
            progress=lambda done, total: None,
            cancelled=lambda: False,
        )
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        kib = path.stat().st_size / 1024
    return {
        "film_per_s": seconds / wall,
        "cpu_s": cpu,
        "kib": kib,
        "peak_mib": resident_kib(os.getpid(), "VmHWM") / 1024,
    }


def _pin_to_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main()
