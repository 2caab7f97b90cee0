"""Fire: flames from rising noise, and the light they throw."""

import numpy as np

from workers.providers.builtin.noise import F32, f32, fbm, sample, smoothstep
from workers.providers.builtin.palette import Colour, luma, mix, plane
from workers.providers.builtin.stage import Stage

_HEAT: tuple[Colour, ...] = (
    (0.0, 0.0, 0.0), (0.34, 0.03, 0.0), (0.92, 0.22, 0.02), (1.25, 0.62, 0.1), (1.4, 1.1, 0.5),
    (1.5, 1.4, 1.1),
)  # fmt: skip


class Flames:
    """A fire standing at (column, row), `high` pixels tall."""

    TILE = 256

    def __init__(self, stage: Stage, column: float, row: float, high: float) -> None:
        rng = stage.rng("flames")
        self._tile = fbm(rng, (self.TILE, self.TILE), (7, 7), 4, 0.55)
        self._warp = fbm(rng, (self.TILE, self.TILE), (4, 4), 3)
        half = int(high * 0.6)
        top = max(0, int(row - high * 1.12))
        self._rows = slice(top, min(stage.height, int(row + high * 0.03)))
        left = max(0, int(column) - half)
        self._cols = slice(left, min(stage.width, int(column) + half))
        y = np.arange(self._rows.start, self._rows.stop, dtype=np.float32)[:, None]
        x = np.arange(self._cols.start, self._cols.stop, dtype=np.float32)[None, :]
        self._up = f32((row - y) / high)
        self._side = f32((x - column) / (high * 0.46))
        self._scale = 110.0
        # The foot is a bowl: at the sides the fire begins higher.
        self._bowl = f32(np.clip((0.05 + 0.16 * self._side**2 - self._up) / 0.1, 0, 2))
        self._heat = _ramp(stage)
        rows, cols = np.ogrid[0 : stage.height, 0 : stage.width]
        far = np.sqrt(((rows - row + high * 0.3) / 1.0) ** 2 + ((cols - column) / 1.35) ** 2)
        self._glow = f32(plane(self._tint()) * np.exp(-far / (high * 0.62)))

    def _tint(self) -> Colour:
        red, green, blue = (float(v) / 1.2 for v in self._heat[140])
        return red, green, blue

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the glow around and the flames themselves."""
        flicker = (
            0.5
            + 0.05 * np.sin(time * 9.1)
            + 0.04 * np.sin(time * 15.7 + 1)
            + 0.03 * np.sin(time * 23.0)
        )
        canvas += canvas * self._glow * np.float32(flicker * 3.0)
        canvas += self._glow * np.float32(flicker * 0.55)
        up, side = self._up, self._side
        bend = sample(self._warp, up * 60 + time * 75, side * 26 + 40) - 0.5
        leaning = side + bend * (0.35 + 1.1 * np.maximum(up, 0))
        rise = sample(self._tile, up * self._scale * 0.75 + time * 165, leaning * 46 + 90)
        shape = 1.0 - np.abs(leaning) / np.maximum(0.05, 0.98 - 0.55 * up)
        body = np.clip(shape, -1, 1) * 1.2 + (rise - 0.5) * (0.8 + 1.7 * np.maximum(up, 0))
        body = body - np.maximum(up, 0) * 1.0 - self._bowl
        heat = np.clip(body, 0, 1)
        index = np.minimum((heat * 255).astype(np.int32), 255)
        light = self._heat[index].transpose(2, 0, 1)
        view = canvas[:, self._rows, self._cols]
        view *= 1 - smoothstep(0.0, 0.5, heat) * np.float32(0.75)
        view += light


def _ramp(stage: Stage) -> F32:
    """256 colours from cold to hot; a colour word turns the fire to that colour."""
    stops = _HEAT
    if stage.description.colours:
        hot = stage.palette.glow
        stops = tuple(mix(c, tuple(luma(c) * 1.6 * v for v in hot), 0.7) for c in _HEAT)  # type: ignore[arg-type]
    places = np.linspace(0, 1, len(stops))
    line = np.linspace(0, 1, 256)
    return f32(np.stack([np.interp(line, places, [c[i] for c in stops]) for i in range(3)], axis=1))
