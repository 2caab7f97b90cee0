"""Space: nebulae, drifting stars and a planet."""

import numpy as np

from workers.providers.builtin.layers.sprite import Lights, glow
from workers.providers.builtin.noise import F32, drift, f32, fbm, sample, smoothstep
from workers.providers.builtin.palette import Colour, mix, plane, turned
from workers.providers.builtin.stage import Stage


class Nebula:
    """Clouds of glowing gas that drift slowly; black space where there is none."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("nebula")
        self._stage = stage
        self._speed = stage.width * 0.008
        wide = stage.width + int(self._speed * stage.seconds) + 4
        self._gas = _gas(rng, stage, wide) if stage.has("nebula") else None
        rows = np.linspace(0, 1, stage.height, dtype=np.float32)[None, :, None]
        dark, dim = plane(stage.palette.zenith), plane(stage.palette.high)
        self._base = f32(dark * 0.55 + (dim - dark) * 0.22 * rows)

    def paint(self, canvas: F32, time: float) -> None:
        """Replaces the whole canvas."""
        if self._gas is not None:
            drift(self._gas, time * self._speed, self._stage.width, canvas)
            canvas += self._base
        else:
            np.copyto(canvas, np.broadcast_to(self._base, canvas.shape))


def _gas(rng: np.random.Generator, stage: Stage, wide: int) -> F32:
    """Light of the gas: warped noise in three colours, cut by dark dust."""
    high = stage.height
    tile = fbm(rng, (512, 1024), (4, 8), 6, 0.52)
    rows, cols = np.ogrid[0:high, 0:wide]
    y, x = f32(rows) * (300 / high), f32(cols) * (300 / high)
    bend_y = sample(tile, y * 0.7 + 200, x * 0.7) * 130
    bend_x = sample(tile, y * 0.7, x * 0.7 + 300) * 130
    body = sample(tile, y + bend_y, x + bend_x)
    fine = sample(tile, y * 2.3 + bend_x * 0.8, x * 2.3 + bend_y * 0.8)
    tilt = float(rng.uniform(-0.5, 0.5))
    spine = (y / 300 - 0.5) - tilt * (x / 300 - wide / high / 2) + (bend_x / 130 - 0.5) * 0.35
    band = np.exp(-((spine / 0.34) ** 2))
    dense = smoothstep(0.28, 0.84, body * 0.72 + fine * 0.3) * (0.3 + 0.95 * band)
    dust = smoothstep(0.45, 0.72, fine) * band
    outer, inner, core = _gas_colours(stage, rng)
    light = plane(outer) * dense * 0.7 + plane(inner) * dense**2 * 0.62
    light = light + plane(core) * smoothstep(0.55, 1.1, dense) * 0.4
    return f32(light * (1 - 0.7 * dust * smoothstep(0.9, 0.3, dense)))


def _gas_colours(stage: Stage, rng: np.random.Generator) -> tuple[Colour, Colour, Colour]:
    if stage.description.colours or stage.description.style:
        return stage.palette.low, stage.palette.glow, stage.palette.sun
    sets: tuple[tuple[Colour, Colour, Colour], ...] = (
        ((0.22, 0.14, 0.62), (0.85, 0.28, 0.6), (1.0, 0.82, 0.7)),
        ((0.06, 0.3, 0.5), (0.2, 0.7, 0.75), (1.0, 0.9, 0.65)),
        ((0.4, 0.1, 0.3), (0.95, 0.45, 0.25), (1.0, 0.85, 0.55)),
        ((0.12, 0.2, 0.6), (0.55, 0.4, 0.95), (0.85, 0.9, 1.0)),
    )
    turn = float(rng.uniform(-0.03, 0.03))
    outer, inner, core = sets[int(rng.integers(len(sets)))]
    return turned(outer, turn, 1.0), turned(inner, turn, 1.0), core


class DeepStars:
    """Stars in three depths; the near ones drift faster and carry a glow."""

    def __init__(self, stage: Stage, count: int = 640) -> None:
        rng = stage.rng("deep stars")
        self._stage = stage
        sizes = (0.45, 0.6, 0.85, 1.7)
        tones = ((0.8, 0.88, 1.0), (1.0, 0.96, 0.9), (1.0, 0.86, 0.7))
        self._kinds = [
            Lights(glow(size * stage.unit, 1.5), f32(tone)) for size in sizes for tone in tones
        ]
        size = np.minimum(3, rng.geometric(0.66, count) - 1)
        self._kind = size * 3 + rng.integers(0, 3, count)
        self._speed = 0.004 + 0.0045 * size
        self._x, self._y = rng.random(count), rng.random(count)
        self._phase = rng.uniform(0, 6.28, count)
        self._bright = rng.uniform(0.15, 1.0, count) ** 1.5 * (0.7 + 0.25 * size)

    def paint(self, canvas: F32, time: float) -> None:
        """Adds each star; they twinkle a little."""
        stage = self._stage
        x = (self._x - self._speed * time) % 1.0 * stage.width
        y = self._y * stage.height
        shine = self._bright * (0.86 + 0.14 * np.sin(self._phase + time * 3))
        for i, kind in enumerate(self._kind):
            self._kinds[kind].add(canvas, float(x[i]), float(y[i]), float(shine[i]))


class Planet:
    """A planet with cloud bands that turn, lit from one side, sometimes with a ring."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("planet")
        radius = min(stage.width, stage.height) * float(rng.uniform(0.19, 0.3))
        middle = (stage.width * float(rng.choice([0.3, 0.68])), stage.height * 0.54)
        tilt = float(rng.uniform(-0.5, 0.5))
        side = -1.0 if rng.random() < 0.5 else 1.0
        self._map = _bands(rng, stage)
        self._globe = _window(stage, middle, radius * 1.2)
        x, y = _places(self._globe, middle, radius)
        self._measure(x, y, radius, tilt, side)
        air = plane(mix(stage.palette.glow, (0.5, 0.7, 1.0), 0.4))
        self._air = f32(air * self._rim)
        self._ring: tuple[F32, F32] | None = None
        if rng.random() < 0.6:
            self._around = _window(stage, middle, radius * 2.3)
            x, y = _places(self._around, middle, radius)
            self._ring = _ring(x, y, tilt, rng, stage)

    def _measure(self, x: F32, y: F32, radius: float, tilt: float, side: float) -> None:
        """Light and map places for each pixel of the disc."""
        far = np.sqrt(x**2 + y**2)
        edge = 1.4 / radius
        disc = smoothstep(1 + edge, 1 - edge, far)
        z = np.sqrt(np.clip(1 - far**2, 0, 1))
        across, up = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
        self._row = f32(np.arcsin(np.clip(up, -1, 1)) / np.pi + 0.5) * np.float32(255)
        self._col = f32(np.arctan2(across, np.maximum(z, 1e-3)) / np.pi) * np.float32(256)
        day = x * side * 0.78 - y * 0.42 + z * 0.46
        self._light = f32(smoothstep(-0.12, 0.85, day) * 1.15 * disc)
        self._rim = f32(np.exp(-np.abs(far - 1) / 0.035) * smoothstep(-0.3, 0.7, day) * 0.8)
        self._space = f32(1 - disc)

    def paint(self, canvas: F32, time: float) -> None:
        """Paints the globe and the ring around it."""
        view = canvas[:, self._globe[0], self._globe[1]]
        view *= self._space
        col = self._col + np.float32(time * 4.5)
        for target, band in zip(view, self._map, strict=True):
            target += sample(band, self._row, col) * self._light
        view += self._air
        if self._ring is not None:
            tone, keep = self._ring
            view = canvas[:, self._around[0], self._around[1]]
            view *= keep
            view += tone


def _window(stage: Stage, middle: tuple[float, float], reach: float) -> tuple[slice, slice]:
    """Rows and columns of the canvas within `reach` of the middle."""
    x, y = middle
    rows = slice(max(0, int(y - reach)), min(stage.height, int(y + reach) + 1))
    return rows, slice(max(0, int(x - reach)), min(stage.width, int(x + reach) + 1))


def _places(
    window: tuple[slice, slice], middle: tuple[float, float], radius: float
) -> tuple[F32, F32]:
    """Columns and rows of a window from the middle, in radii."""
    rows = np.arange(window[0].start, window[0].stop)[:, None]
    cols = np.arange(window[1].start, window[1].stop)[None, :]
    return f32((cols - middle[0]) / radius), f32((rows - middle[1]) / radius)


def _bands(rng: np.random.Generator, stage: Stage) -> F32:
    """The planet's map (3, 256, 512): bands bent by storms."""
    swirl = fbm(rng, (256, 512), (5, 6), 5) - 0.5
    rows = np.arange(256, dtype=np.float32)[:, None] + swirl * 34
    stripes = sample(fbm(rng, (256, 4), (22, 1), 4), rows, np.zeros((1, 512), np.float32))
    mirror = np.minimum(np.arange(512), np.arange(512)[::-1])[None, :]
    detail = sample(fbm(rng, (256, 512), (18, 20), 4), rows * 1.2, mirror + swirl * 20)
    tones = _gas_colours(stage, rng)
    dark = mix(tones[0], (0.35, 0.25, 0.22), 0.35)
    light = mix(tones[1], (0.95, 0.85, 0.72), 0.55)
    share = smoothstep(0.2, 0.8, stripes * 0.75 + detail * 0.3)
    return f32(plane(dark) + (plane(light) - plane(dark)) * share)


def _ring(x: F32, y: F32, tilt: float, rng: np.random.Generator, stage: Stage) -> tuple[F32, F32]:
    """Light of the ring, and the share of what is behind it that it lets through."""
    across, up = x * np.cos(tilt) + y * np.sin(tilt), (y * np.cos(tilt) - x * np.sin(tilt)) / 0.24
    far = np.sqrt(across**2 + up**2)
    grooves = fbm(rng, (1, 256), (1, 26), 4)[0]
    fine = np.interp(far, np.linspace(1.3, 2.15, 256), grooves, left=0, right=0)
    alpha = smoothstep(1.32, 1.4, far) * smoothstep(2.12, 2.02, far) * (0.15 + 0.75 * fine)
    behind = (up <= 0) & (np.sqrt(x**2 + y**2) < 1)
    alpha = np.where(behind, 0, alpha)
    tone = plane(mix(stage.palette.sun, (0.85, 0.74, 0.6), 0.6)) * 0.8
    return f32(tone * alpha), f32(1 - alpha)
