"""How fast the built-in renderer makes 720p film on one core, and how much memory it takes.

Run it from the repository: `.venv/bin/python -m bench.render [--seconds 8] [--prompt "..."]`.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

# Before numpy loads: one core is what the figure is about.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from core.specs import VideoSpec
from workers.providers.builtin import render_video

PROMPTS = ("calm ocean waves at sunset", "a city at night in the rain", "snow in a pine forest")


def main() -> None:
    """Renders each prompt once and prints a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="length of the film (1..10)")
    parser.add_argument("--prompt", action="append", help="instead of the three usual ones")
    asked = parser.parse_args()
    _pin_to_one_core()
    slowest = min(_film_seconds_per_second(p, asked.seconds) for p in asked.prompt or PROMPTS)
    print(f"The slowest film took 1 s for {slowest:.2f} s of 1280x720, peak {_peak_mib():.0f} MiB.")


def _film_seconds_per_second(prompt: str, seconds: int) -> float:
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
    print(
        f"{seconds} s of film in {wall:5.2f} s wall ({cpu:5.2f} s cpu), "
        f"{seconds / wall:.2f} s a second, {kib:6.0f} KiB, peak {_peak_mib():.0f} MiB: {prompt}"
    )
    return seconds / wall


def _pin_to_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
