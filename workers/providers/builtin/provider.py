"""The built-in provider: renders on this machine, free and without a key."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.decoding import Limits, shrink
from core.errors import ImageRefused
from core.jobs import Job, Stage
from core.specs import ImageSpec, VideoSpec, media_spec
from workers.providers import Monitor, Output, ReadInput, RunStopped
from workers.providers.builtin.render import RenderCancelled, render_image, render_video
from workers.providers.builtin.sizes import image_size, video_size

_MAX_SEED = 2**31
# An input may be a result, which may be larger than what users can send.
_INPUT_LIMITS = Limits(max_pixels=64_000_000, cpu_seconds=30)


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
        given = _Given(read_input, job.user_id)
        try:
            _RENDER[spec.kind](spec, seed, path, given, run)
        except RenderCancelled:
            raise RunStopped from None
        return Output(seed=seed, made_here=True)


class _Given:
    """The inputs of a job. A child decodes them, so that a large one takes no memory here."""

    def __init__(self, read_input: ReadInput, user_id: str) -> None:
        self._read_input = read_input
        self._user_id = user_id

    def shrunk(self, media_id: str, size: tuple[int, int]) -> bytes:
        """The picture, large enough to be cut to the size.

        Raises:
            ValueError: when the bytes are no picture.
        """
        try:
            content = self._read_input(media_id)
            return shrink(content, self._user_id, _INPUT_LIMITS, 2 * max(size))
        except ImageRefused as refusal:
            raise ValueError("not a picture that can be read") from refusal


def _video(spec: VideoSpec, seed: int, path: Path, given: _Given, run: Monitor) -> None:
    def frame_done(done: int, total: int) -> None:
        run.report(Stage.GENERATING, done / total, f"Rendering frame {done} of {total}")

    size = video_size(spec.aspect_ratio, spec.resolution)
    render_video(
        spec,
        seed=seed,
        first_frame=given.shrunk(spec.first_frame, size) if spec.first_frame else None,
        path=path,
        progress=frame_done,
        cancelled=run.stopping,
    )


def _image(spec: ImageSpec, seed: int, path: Path, given: _Given, run: Monitor) -> None:
    def step_done(done: int, total: int) -> None:
        run.report(Stage.GENERATING, done / total, f"Painting layer {done} of {total}")

    size = image_size(spec.size)
    render_image(
        spec,
        seed=seed,
        references=[given.shrunk(media_id, size) for media_id in spec.references],
        mask=given.shrunk(spec.mask, size) if spec.mask else None,
        path=path,
        progress=step_done,
        cancelled=run.stopping,
    )


# By the kind of job.
_RENDER: Mapping[str, Callable[[Any, int, Path, _Given, Monitor], None]] = {
    "video": _video,
    "image": _image,
}


def _drawn(job_id: str) -> int:
    """A seed by chance, the same for every run of the job."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4]) % _MAX_SEED
