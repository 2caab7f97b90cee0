"""The built-in provider: renders on this machine, free and without a key."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.jobs import Job, Stage
from core.specs import ImageSpec, VideoSpec, media_spec
from workers.providers import Monitor, Output, ReadInput, RunStopped
from workers.providers.builtin.render import RenderCancelled, render_image, render_video

_MAX_SEED = 2**31


class BuiltinProvider:
    """Renders at fetch. The seed is that of the spec, or follows from the job's id, so a second run
    makes the same pixels."""

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Renders output `index`; each output has a seed of its own."""
        spec = media_spec(job.spec)
        seed = (_drawn(job.job_id) if spec.seed is None else spec.seed) + index
        # The prompt templates have words for the renderer too.
        spec = replace(spec, prompt=job.final_prompt or spec.prompt)
        try:
            _RENDER[spec.kind](spec, seed, path, read_input, run)
        except RenderCancelled:
            raise RunStopped from None
        return Output(seed=seed, made_here=True)


def _video(spec: VideoSpec, seed: int, path: Path, read_input: ReadInput, run: Monitor) -> None:
    def frame_done(done: int, total: int) -> None:
        run.report(Stage.GENERATING, done / total, f"Rendering frame {done} of {total}")

    render_video(
        spec,
        seed=seed,
        first_frame=read_input(spec.first_frame) if spec.first_frame else None,
        path=path,
        progress=frame_done,
        cancelled=run.stopping,
    )


def _image(spec: ImageSpec, seed: int, path: Path, read_input: ReadInput, run: Monitor) -> None:
    def step_done(done: int, total: int) -> None:
        run.report(Stage.GENERATING, done / total, f"Painting layer {done} of {total}")

    render_image(
        spec,
        seed=seed,
        references=[read_input(media_id) for media_id in spec.references],
        mask=read_input(spec.mask) if spec.mask else None,
        path=path,
        progress=step_done,
        cancelled=run.stopping,
    )


# By the kind of job.
_RENDER: Mapping[str, Callable[[Any, int, Path, ReadInput, Monitor], None]] = {
    "video": _video,
    "image": _image,
}


def _drawn(job_id: str) -> int:
    """A seed by chance, the same for every run of the job."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4]) % _MAX_SEED
