"""Clouds: two noise sheets that drift at their own speeds, so that shapes change as they go."""

import numpy as np

from workers.providers.builtin.noise import F32, drift, f32, fbm, sample, smoothstep
from workers.providers.builtin.palette import plane
from workers.providers.builtin.stage import Stage


class Clouds:
    """Clouds over `rows` rows of sky, lit from the side of the sun.

    `cover` is the share of sky behind clouds; `tall` makes heaps instead of sheets.
    """

    def __init__(self, stage: Stage, rows: int, *, cover: float = 0.4, tall: bool = False) -> None:
        rng = stage.rng("clouds")
        self._rows = max(8, min(stage.height, rows))
        self._width = stage.width
        self._speed = stage.width * 0.009 * (0.6 + stage.description.energy)
        extra = int(self._speed * 1.4 * stage.seconds) + 4
        sheet = _sheet(rng, self._rows, stage.width + extra, stage.width, tall)
        detail = fbm(rng, (self._rows, stage.width + extra), (9, 15), 5, 0.48)
        self._light = _side_light(sheet, stage)
        self._sheet, self._detail = sheet, detail
        edge = float(np.quantile(sheet * 0.72 + detail * 0.28, 1 - cover))
        self._low, self._soft = edge - 0.02, 0.13 if tall else 0.2
        fade = np.linspace(1, 0, self._rows, dtype=np.float32)
        self._fade = f32(smoothstep(0.0, 0.16, fade))[:, None] * np.float32(0.94)
        self._dark = plane(stage.palette.cloud_dark)
        self._lift = plane(stage.palette.cloud_light) - self._dark
        self._buffers = [np.empty((self._rows, stage.width), np.float32) for _ in range(3)]
        self._colour = np.empty((3, self._rows, stage.width), np.float32)

    def paint(self, canvas: F32, time: float) -> None:
        """Blends the clouds over the top rows."""
        dense, detail, light = self._buffers
        step = time * self._speed
        drift(self._sheet, step, self._width, dense)
        drift(self._detail, step * 1.4, self._width, detail)
        drift(self._light, step, self._width, light)
        dense *= np.float32(0.72)
        detail *= np.float32(0.28)
        dense += detail
        dense -= np.float32(self._low)
        dense *= np.float32(1 / self._soft)
        np.clip(dense, 0, 1, out=dense)
        # Thick parts shade themselves; thin edges stay bright.
        light -= dense * np.float32(0.25)
        np.clip(light, 0, 1, out=light)
        dense *= dense * (np.float32(3) - np.float32(2) * dense)
        dense *= self._fade
        np.multiply(self._lift, light, out=self._colour)
        self._colour += self._dark
        sky = canvas[:, : self._rows]
        self._colour -= sky
        self._colour *= dense
        sky += self._colour


def _sheet(rng: np.random.Generator, rows: int, wide: int, width: int, tall: bool) -> F32:
    """Big cloud shapes; sheets are drawn together towards the horizon, as on a ceiling."""
    if tall:
        body = fbm(rng, (rows, wide), (3.2, 5.0 * wide / width), 6, 0.5)
        heap = np.abs(fbm(rng, (rows, wide), (6, 10 * wide / width), 5, 0.55) - 0.5) * 2
        return f32(body * 0.75 + heap * 0.25)
    tile = fbm(rng, (512, 1024), (6, 9), 6, 0.52)
    up = np.linspace(1.0, 0.0, rows, dtype=np.float32)[:, None]
    away = 1.0 / (up + 0.16)
    cols = (np.arange(wide, dtype=np.float32)[None, :] - width / 2) / width
    return sample(tile, away * 95.0, cols * (150.0 + away * 62.0) + 300.0)


def _side_light(sheet: F32, stage: Stage) -> F32:
    """0..1, bright where the cloud thins out towards the sun."""
    step = max(2, stage.width // 90)
    rise = max(2, stage.height // 70)
    towards_top = np.roll(sheet, rise, axis=0)
    towards_top[:rise] = sheet[:rise]
    low = stage.description.hour in ("sunset", "dawn")
    seen = np.roll(sheet, -rise, axis=0) if low else towards_top
    seen[-rise:] = sheet[-rise:]
    if stage.sun[0] < stage.width / 2:
        side = np.concatenate([np.repeat(sheet[:, :1], step, axis=1), sheet[:, :-step]], axis=1)
    else:
        side = np.concatenate([sheet[:, step:], np.repeat(sheet[:, -1:], step, axis=1)], axis=1)
    return f32(np.clip(0.58 + (sheet - 0.6 * seen - 0.4 * side) * 4.2, 0.0, 1.0))
