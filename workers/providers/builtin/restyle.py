"""Given pictures in the prompt's manner: a restyled still, and a first frame that comes alive."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from workers.providers.builtin.layers.weather import motes
from workers.providers.builtin.noise import F32, f32, fbm, smoothstep
from workers.providers.builtin.palette import plane
from workers.providers.builtin.picture import planes
from workers.providers.builtin.places import falling
from workers.providers.builtin.stage import Stage

#: How far a restyled picture goes from its own colours to the palette's.
TONING = 0.58

#: How much larger a first frame is at the end of the film than at its start.
PUSH = 0.1


def restyled(pictures: Sequence[Image.Image], stage: Stage) -> F32:
    """One canvas of the pictures, which melt into each other, in the palette of the stage.

    All pictures have the size of the stage's canvas.
    """
    canvas = planes(pictures[0])
    rng = stage.rng("restyle")
    for number, picture in enumerate(pictures[1:], start=2):
        cloud = fbm(rng, (stage.height, stage.width), (3, 3), 4)
        edge = float(np.quantile(cloud, 1 - 1 / number))
        canvas += (planes(picture) - canvas) * smoothstep(edge - 0.06, edge + 0.06, cloud)
    gray = canvas[0] * 0.2126 + canvas[1] * 0.7152 + canvas[2] * 0.0722
    toned = _toned(f32(gray), stage)
    canvas += (toned - canvas) * np.float32(TONING)
    if stage.description.style in ("watercolour", "minimal"):
        canvas = _brushed(canvas, stage)
    for layer in falling(stage):
        layer.paint(canvas, 3.0)
    return canvas


def _toned(gray: F32, stage: Stage) -> F32:
    """The brightness run through the palette, from ink over land and sky to the sun."""
    colours = stage.palette
    ramp = (colours.ink, colours.deep, colours.high, colours.low, colours.horizon, colours.sun)
    places = (0.0, 0.2, 0.45, 0.65, 0.85, 1.0)
    line = np.linspace(0, 1, 256)
    index = np.clip(gray * 255, 0, 255).astype(np.uint8)
    return f32([np.interp(line, places, [c[i] for c in ramp])[index] for i in range(3)])


def _brushed(canvas: F32, stage: Stage) -> F32:
    """Fine detail gathered into strokes of one tone."""
    rows = np.clip(canvas * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(rows))
    # At half the size a small filter reaches as far and costs a tenth.
    half = picture.resize((stage.width // 2 + 1, stage.height // 2 + 1), Image.Resampling.BOX)
    strokes = half.filter(ImageFilter.MedianFilter(5))
    return planes(strokes.resize(picture.size, Image.Resampling.BICUBIC))


class LivingPicture:
    """A still that a camera pushes into while the light over it moves.

    The first moment is the picture itself, fitted to the frame. With `loops` the moment after the
    last one is that too: the camera goes back, and the light fades.
    """

    def __init__(self, picture: Image.Image, stage: Stage, *, loops: bool = False) -> None:
        rng = stage.rng("living")
        self._loops = loops
        self._stage, self._picture = stage, picture
        self._aim = rng.uniform(0.3, 0.7, 2)
        rows, cols = stage.height // 8 + 1, stage.width // 8 + 1
        self._grid = np.mgrid[0:rows, 0:cols].astype(np.float32) / np.float32(rows)
        self._angle = float(rng.uniform(0.3, 0.9))
        self._light = plane(stage.palette.glow)
        self._falling = falling(stage)
        if not self._falling:
            self._falling = [motes(stage)]
        self._before = np.empty((3, stage.height, stage.width), np.float32)

    def paint(self, canvas: F32, time: float) -> None:
        """Replaces the whole canvas."""
        share = self._share(time)
        width, height = self._picture.size
        cut = 1 - 1 / (1 + PUSH * share)
        left, top = self._aim[0] * cut * width, self._aim[1] * cut * height
        box = (left, top, left + width * (1 - cut), top + height * (1 - cut))
        size = (self._stage.width, self._stage.height)
        frame = np.asarray(self._picture.resize(size, Image.Resampling.BICUBIC, box=box))
        np.multiply(frame.transpose(2, 0, 1), np.float32(1 / 255), out=canvas)
        near_end = self._stage.seconds - time if self._loops else time
        appear = np.float32(min(1.0, time / 0.8, near_end / 0.8))
        if appear > 0:
            self._shine(canvas, time, float(appear))
            np.copyto(self._before, canvas)
            for layer in self._falling:
                layer.paint(canvas, time)
            if appear < 1:
                canvas -= self._before
                canvas *= appear
                canvas += self._before

    def _share(self, time: float) -> float:
        """How much of its way the camera has gone."""
        share = time / max(0.1, self._stage.seconds)
        if self._loops:
            return float(0.5 - 0.5 * np.cos(2 * np.pi * share))
        return 0.4 * share + 0.6 * share * share * (3 - 2 * share)

    def _shine(self, canvas: F32, time: float, appear: float) -> None:
        """A broad soft beam that wanders over the picture."""
        y, x = self._grid
        along = x * np.cos(self._angle) + y * np.sin(self._angle)
        middle = -0.3 + 0.28 * time
        beam = np.exp(-(((along - middle) / 0.4) ** 2)) * (0.2 * appear)
        size = (self._stage.width, self._stage.height)
        wide = f32(Image.fromarray(f32(beam)).resize(size, Image.Resampling.BILINEAR))
        for channel, tone in zip(canvas, self._light[:, 0, 0], strict=True):
            channel += (np.float32(1.15) - channel) * channel * (wide * tone)
