"""The built-in provider: renders on this machine, free and without a key."""

import hashlib
from dataclasses import replace
from pathlib import Path

from core.jobs import Job, Stage
from core.specs import VideoSpec
from workers.providers import Monitor, Output, ReadInput, RunStopped
from workers.providers.builtin.render import RenderCancelled, render_image, render_video

_MAX_SEED = 2**31


class BuiltinProvider:
    """Renders at fetch. The seed is the spec's, or made of the job's id: a second run makes the
    same pixels."""

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Renders output `index`; each output has a seed of its own."""
        seed = (_drawn(job.job_id) if job.spec.seed is None else job.spec.seed) + index
        try:
            self._render(job, seed, path, read_input, run)
        except RenderCancelled:
            raise RunStopped from None
        return Output(seed=seed)

    def _render(self, job: Job, seed: int, path: Path, read_input: ReadInput, run: Monitor) -> None:
        # With its templates: they have words for the renderer too.
        spec = replace(job.spec, prompt=job.final_prompt or job.spec.prompt)
        if isinstance(spec, VideoSpec):

            def frame_done(done: int, total: int) -> None:
                run.report(Stage.GENERATING, done / total, f"Rendering frame {done} of {total}")

            frame = read_input(spec.first_frame) if spec.first_frame else None
            render_video(
                spec,
                seed=seed,
                first_frame=frame,
                path=path,
                progress=frame_done,
                cancelled=run.stopping,
            )
            return

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


def _drawn(job_id: str) -> int:
    """A seed by chance, the same for every run of the job."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4]) % _MAX_SEED
