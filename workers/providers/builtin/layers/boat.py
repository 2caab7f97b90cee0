"""A boat on the water."""

import numpy as np

from workers.providers.builtin.layers.shapes import Outline, lit, painted, shape
from workers.providers.builtin.layers.sprite import Sprite
from workers.providers.builtin.noise import F32
from workers.providers.builtin.palette import mix
from workers.providers.builtin.stage import Stage

_HULL: Outline = ((0.06, 0.8), (0.96, 0.78), (0.86, 0.93), (0.18, 0.93))
_MAIN: Outline = ((0.47, 0.04), (0.5, 0.74), (0.9, 0.74), (0.7, 0.42))
_JIB: Outline = ((0.44, 0.12), (0.44, 0.74), (0.12, 0.74), (0.3, 0.45))
_PAPER_HULL: Outline = ((0.03, 0.55), (0.5, 0.72), (0.97, 0.55), (0.78, 0.93), (0.22, 0.93))
_PAPER_SAIL: Outline = ((0.5, 0.16), (0.78, 0.66), (0.5, 0.73), (0.22, 0.66))
_PAPER_FOLD: Outline = ((0.5, 0.16), (0.78, 0.66), (0.5, 0.73))


class Boat:
    """A sailing boat, or a paper one, that rocks on the water with its reflection below."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("boat")
        self._stage = stage
        self._paper = "paper" in stage.description.key.split()
        self._size = stage.span * (0.4 if self._paper else 0.27)
        self._sprites = [self._picture(turn) for turn in np.linspace(-1, 1, 9)]
        from_left = stage.sun[0] > stage.width / 2
        self._x = stage.width * (
            float(rng.uniform(0.32, 0.4)) if from_left else float(rng.uniform(0.58, 0.66))
        )
        deep = 0.42 if self._paper else 0.12
        self._y = stage.horizon + (stage.height - stage.horizon) * deep
        self._way = stage.width * 0.006 * (1 if from_left else -1)

    def _picture(self, turn: float) -> tuple[Sprite, Sprite]:
        def rocked(outline: Outline) -> Outline:
            cos, sin = np.cos(turn * 0.07), np.sin(turn * 0.07)
            moved = [((x - 0.5), (y - 0.85)) for x, y in outline]
            return tuple((0.5 + x * cos - y * sin, 0.85 + x * sin + y * cos) for x, y in moved)

        stage, size = self._stage, self._size
        if self._paper:
            white = mix(lit(stage, (0.98, 0.97, 0.94), 0.2), stage.palette.sun, 0.3)
            shade = mix(white, stage.palette.cloud_dark, 0.5)
            parts = [
                (_PAPER_SAIL, white),
                (_PAPER_FOLD, mix(white, shade, 0.6)),
                (_PAPER_HULL, mix(white, shade, 0.22)),
            ]
        else:
            sail = lit(stage, mix((0.97, 0.94, 0.88), stage.palette.cloud_light, 0.3), 0.5)
            wood = lit(stage, mix((0.36, 0.16, 0.1), stage.palette.ink, 0.4), 0.8)
            mast: Outline = ((0.45, 0.02), (0.47, 0.02), (0.475, 0.8), (0.445, 0.8))
            parts = [
                (_MAIN, sail),
                (_JIB, mix(sail, stage.palette.cloud_dark, 0.3)),
                (mast, wood),
                (_HULL, wood),
            ]
        upright = painted([(shape(size, rocked(line)), tone) for line, tone in parts])
        return upright, upright.mirrored(mix(stage.palette.deep, stage.palette.low, 0.2), 0.45)

    def paint(self, canvas: F32, time: float) -> None:
        """Stamps the reflection, then the boat."""
        energy = self._stage.description.energy
        roll = np.sin(time * 1.25) * 0.7 * min(1.3, energy + 0.2) + 0.25 * np.sin(time * 2.1 + 1)
        upright, mirrored = self._sprites[round(float(np.clip(roll, -1, 1) + 1) * 4)]
        x = self._x + self._way * time - self._size / 2
        y = self._y + np.sin(time * 1.6) * 0.006 * self._stage.height * energy - self._size * 0.92
        mirrored.stamp(canvas, x, float(y) + self._size * 0.84, 0.8)
        upright.stamp(canvas, x, float(y))
