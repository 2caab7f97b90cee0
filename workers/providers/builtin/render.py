"""Renders a spec into a file: films frame by frame, stills in a few steps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from core.specs import ImageSpec, VideoSpec
from workers.providers.builtin.encode import FRAMES_PER_SECOND, Film
from workers.providers.builtin.errors import RenderCancelled, stop_if
from workers.providers.builtin.finish import Finish
from workers.providers.builtin.loop import Loop, overlap_of
from workers.providers.builtin.noise import F32, stream
from workers.providers.builtin.picture import fitted, mask_of, opened, pixels, planes, save
from workers.providers.builtin.restyle import LivingPicture, restyled
from workers.providers.builtin.scene import Scene
from workers.providers.builtin.sizes import (
    FILM_CANVAS_PIXELS,
    STILL_CANVAS_PIXELS,
    canvas_size,
    image_size,
    video_size,
)
from workers.providers.builtin.stage import Layer, Stage, set_stage
from workers.providers.builtin.words import describe

__all__ = ["RenderCancelled", "render_image", "render_video"]

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]

#: Seconds that a still's scene is laid out for; its moment is somewhere within.
STILL_SECONDS = 8.0


def render_video(
    spec: VideoSpec,
    *,
    seed: int,
    first_frame: bytes | None,
    path: Path,
    progress: Progress,
    cancelled: Cancelled,
) -> None:
    """Renders the film into an MP4 file at `path`; reports each frame as (done, total).

    The first frame of a loop follows on its last one as the next would.
    Raises RenderCancelled within a frame of `cancelled()` turning true, and ValueError for a
    size that isn't known or a `first_frame` that isn't a picture.
    """
    width, height = video_size(spec.aspect_ratio, spec.resolution)
    total = max(1, round(spec.duration_ms * FRAMES_PER_SECOND / 1000))
    stop_if(cancelled)
    seconds = total / FRAMES_PER_SECOND
    if first_frame is not None:
        stage = _film_stage(spec, seed, (width, height), seconds)
        picture = fitted(opened(first_frame), width, height)
        scene: Layer = LivingPicture(picture, stage, loops=bool(spec.loop))
    elif spec.loop:
        stage = _film_stage(spec, seed, (width, height), seconds + overlap_of(seconds))
        stage = replace(stage, pan=0.0)
        scene = Loop(Scene(stage), seconds)
    else:
        stage = _film_stage(spec, seed, (width, height), seconds)
        scene = Scene(stage)
    finish = _finish(stage, plain=first_frame is not None)
    canvas = np.zeros((3, stage.height, stage.width), np.float32)
    with Film(path, width, height) as film:
        for number in range(total):
            stop_if(cancelled)
            scene.paint(canvas, number / FRAMES_PER_SECOND)
            film.add(finish.apply(canvas, number))
            progress(number + 1, total)


def _film_stage(spec: VideoSpec, seed: int, size: tuple[int, int], seconds: float) -> Stage:
    description = describe(spec.prompt, spec.negative_prompt)
    canvas = canvas_size(*size, FILM_CANVAS_PIXELS)
    return set_stage(description, seed=seed, size=canvas, seconds=seconds)


def _finish(stage: Stage, *, plain: bool = False) -> Finish:
    """The finish of the stage's style; `plain` leaves a given picture's light as it is."""
    style = stage.description.style
    return Finish(stage.width, stage.height, style, stage.seed, vignette=not plain)


def render_image(
    spec: ImageSpec,
    *,
    seed: int,
    references: Sequence[bytes],
    mask: bytes | None,
    path: Path,
    progress: Progress,
    cancelled: Cancelled,
) -> None:
    """Renders the still into a file at `path`; reports its steps as (done, total).

    References are restyled; with a mask the first one is kept and only what is white is painted
    anew. Raises RenderCancelled when `cancelled()` turns true between two steps, and ValueError
    for a size, type, reference or mask that can't be used.
    """
    width, height = image_size(spec.size)
    if mask is not None and not references:
        raise ValueError("a mask needs a reference to paint on")
    steps = _Steps(progress, cancelled, 4)
    stage = _still_stage(spec, seed, width, height)
    size = (stage.width, stage.height)
    given = [fitted(opened(reference), *size) for reference in references]
    steps.done()
    canvas = restyled(given, stage) if given and mask is None else _scene(stage)
    steps.done()
    picture = pixels(_finish(stage, plain=bool(given)).apply(canvas, 0))
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    if mask is not None:
        picture = _repainted(fitted(opened(references[0]), width, height), picture, mask)
    steps.done()
    save(picture, path, spec.output_mime_type)
    steps.done()


class _Steps:
    """Counts the steps of a still, and stops between two of them when cancelled."""

    def __init__(self, progress: Progress, cancelled: Cancelled, total: int) -> None:
        self._progress, self._cancelled, self._total = progress, cancelled, total
        self._count = 0
        stop_if(cancelled)

    def done(self) -> None:
        self._count += 1
        self._progress(self._count, self._total)
        if self._count < self._total:
            stop_if(self._cancelled)


def _still_stage(spec: ImageSpec, seed: int, width: int, height: int) -> Stage:
    description = describe(spec.prompt, spec.negative_prompt)
    canvas = canvas_size(width, height, STILL_CANVAS_PIXELS)
    return set_stage(description, seed=seed, size=canvas, seconds=STILL_SECONDS)


def _scene(stage: Stage) -> F32:
    canvas = np.zeros((3, stage.height, stage.width), np.float32)
    moment = float(stream("moment", stage.seed).uniform(1.0, STILL_SECONDS - 2.0))
    Scene(stage).paint(canvas, moment)
    return canvas


def _repainted(kept: Image.Image, painted: Image.Image, mask: bytes) -> Image.Image:
    """`painted` where the mask is white; where it is black every pixel of `kept` is untouched."""
    share = mask_of(mask, *kept.size)
    mixed = planes(kept)
    mixed += (planes(painted) - mixed) * share
    return pixels(np.rint(mixed * np.float32(255)))
