"""The sky: gradient, sun or moon with its halo, stars and aurora."""

import numpy as np

from workers.providers.builtin.noise import F32, doubled, drift, f32, fbm, fbm_line, smoothstep
from workers.providers.builtin.palette import mix, plane
from workers.providers.builtin.stage import Stage


class Sky:
    """Everything in the sky that stands still, painted once and copied for each frame.

    Light above 1 is kept: water mirrors it as glitter.
    """

    def __init__(self, stage: Stage) -> None:
        self._base = _gradient(stage)
        if stage.has("sun"):
            _add_sun(self._base, stage)
        if stage.has("moon"):
            _add_moon(self._base, stage)

    def paint(self, canvas: F32, time: float) -> None:
        """Replaces the whole canvas."""
        np.copyto(canvas, self._base)


def _gradient(stage: Stage) -> F32:
    colours = stage.palette
    rows = np.arange(stage.height, dtype=np.float32) / max(1, stage.horizon)
    stops = (0.0, 0.42, 0.78, 1.0)
    ramp = (colours.zenith, colours.high, colours.low, colours.horizon)
    bands = [np.interp(rows, stops, [colour[i] for colour in ramp]) for i in range(3)]
    reach = max(3, stage.height // 9)
    kernel = np.hanning(reach + 2)[1:-1]
    smooth = [
        np.convolve(np.pad(band, reach, mode="edge"), kernel / kernel.sum(), "same")[reach:-reach]
        for band in bands
    ]
    columns = np.ones((3, stage.height, stage.width), np.float32)
    return f32(columns * f32(smooth)[:, :, None])


def _distance(stage: Stage) -> tuple[F32, F32]:
    """Columns and rows from the light, in spans."""
    rows, cols = np.ogrid[0 : stage.height, 0 : stage.width]
    return f32((cols - stage.sun[0]) / stage.span), f32((rows - stage.sun[1]) / stage.span)


def _add_sun(base: F32, stage: Stage) -> None:
    across, down = _distance(stage)
    far = np.sqrt(across**2 + down**2)
    low = stage.description.hour in ("sunset", "dawn")
    glow, sun = plane(stage.palette.glow), plane(stage.palette.sun)
    halo = 0.6 * np.exp(-far / 0.2) + 0.35 * np.exp(-((far / 0.1) ** 2))
    if low:
        # Low light spreads along the horizon.
        halo = halo + 0.38 * np.exp(-np.abs(across) / 0.6) * np.exp(-((down / 0.16) ** 2))
    base += (glow - base * 0.6) * np.clip(halo, 0, 1)
    radius = 0.045 if low else 0.03
    disc = smoothstep(radius + 1.3 / stage.span, radius - 1.3 / stage.span, far)
    base += (sun * (2.4 if low else 3.0) - base) * disc


def _add_moon(base: F32, stage: Stage) -> None:
    across, down = _distance(stage)
    far = np.sqrt(across**2 + down**2)
    base += plane(stage.palette.glow) * (0.2 * np.exp(-far / 0.16) + 0.14 * np.exp(-far / 0.05))
    radius = 0.042
    edge = 1.2 / stage.span
    disc = smoothstep(radius + edge, radius - edge, far)
    maria = fbm(stage.rng("maria"), base.shape[1:], (12, 12 * stage.width / stage.height), 4)
    face = 1.02 - 0.34 * smoothstep(0.42, 0.66, maria)
    limb = np.sqrt(np.clip(1 - (far / radius) ** 2, 0, 1)) * 0.25 + 0.75
    base += (plane(stage.palette.sun) * face * limb - base) * disc


class Stars:
    """Stars of many sizes over `rows` rows; a few groups of them twinkle out of step."""

    GROUPS = 5

    def __init__(self, stage: Stage, rows: int, count: int = 420) -> None:
        rng = stage.rng("stars")
        self._width = stage.width
        self._groups = [
            _scatter(rng, stage, rows, count * rows // stage.height // self.GROUPS + 1)
            for _ in range(self.GROUPS)
        ]
        self._phase = rng.uniform(0, 6.28, self.GROUPS)

    def paint(self, canvas: F32, time: float) -> None:
        """Adds light at single pixels."""
        flat = canvas.reshape(3, -1)
        for (where, light), phase in zip(self._groups, self._phase, strict=True):
            shine = np.float32(0.82 + 0.18 * np.sin(phase + time * (1.6 + phase * 0.25)))
            flat[:, where] += light * shine


def _scatter(
    rng: np.random.Generator, stage: Stage, rows: int, count: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], F32]:
    """Places (flat, unique) and light (3, n) of stars, larger ones spread over a cross."""
    spots: dict[int, tuple[float, float]] = {}
    for _ in range(count):
        x = int(rng.integers(1, stage.width - 1))
        y = int(rng.integers(1, max(2, rows - 1)))
        bright = float(rng.pareto(2.2)) * 0.2 + 0.12
        fade = 1.0 - 0.75 * (y / max(1, rows)) ** 2
        warm = float(rng.uniform(-0.12, 0.12))
        spots[y * stage.width + x] = (min(1.3, bright) * fade, warm)
        if bright > 0.45:
            for step in (-1, 1, -stage.width, stage.width):
                spots.setdefault(y * stage.width + x + step, (bright * 0.3 * fade, warm))
    where = np.array(list(spots), dtype=np.int64)
    bright_of, warm_of = np.array(list(spots.values())).T
    light = [bright_of * (1 + warm_of), bright_of, bright_of * (1 - warm_of)]
    return where, f32(light)


class Aurora:
    """Curtains of light that sway over the night sky, painted at half size."""

    CURTAINS = 3

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("aurora")
        self._high = stage.horizon
        self._rows = np.arange(-(-stage.horizon // 2), dtype=np.float32)[:, None]
        self._width = -(-stage.width // 2)
        wide = self._width * 2
        self._hem = [fbm_line(rng, wide, 5, 3) for _ in range(self.CURTAINS)]
        self._folds = [0.25 + fbm_line(rng, wide, 40, 5) ** 1.5 for _ in range(self.CURTAINS)]
        self._speed = rng.uniform(0.012, 0.03, self.CURTAINS) * self._width
        self._low = mix((0.16, 0.95, 0.55), stage.palette.glow, 0.2)
        self._top = mix((0.5, 0.2, 0.85), stage.palette.glow, 0.15)
        self._light = np.empty((stage.horizon, stage.width), np.float32)

    def paint(self, canvas: F32, time: float) -> None:
        """Adds light above the horizon."""
        line = np.empty(self._width, np.float32)
        bright = np.zeros((len(self._rows), self._width), np.float32)
        violet = np.zeros_like(bright)
        half = np.float32(self._high / 2)
        for i in range(self.CURTAINS):
            hem = drift(self._hem[i], time * float(self._speed[i]), self._width, line).copy()
            fold = drift(self._folds[i], time * 2.1 * float(self._speed[i]), self._width, line)
            above = (half * (0.3 + 0.16 * i + 0.42 * hem) - self._rows) / (half * 0.34)
            light = np.exp(-np.maximum(above, 0)) * smoothstep(-0.1, 0.04, above)
            light *= fold * np.float32(0.42)
            bright += light
            violet += light * np.clip(above * 0.6, 0, 1)
        for channel, low, top in zip(canvas, self._low, self._top, strict=True):
            doubled(bright * np.float32(low) + violet * np.float32(top - low), self._light)
            channel[: self._high] += self._light
