"""Things that fall, float or flash in front of everything: rain, snow, mist, motes, lightning."""

import numpy as np
from PIL import ImageDraw

from workers.providers.builtin.layers.sprite import Lights, blurred, drawn, glow
from workers.providers.builtin.noise import F32, drift, f32, fbm, smoothstep
from workers.providers.builtin.palette import Colour, mix, plane
from workers.providers.builtin.stage import Stage


class Rain:
    """Streaks of rain in two depths, falling a little aslant."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("rain")
        self._size = (stage.height, stage.width)
        light = mix(stage.palette.horizon, (0.8, 0.85, 0.9), 0.5)
        self._sheets = [
            (_streaks(rng, stage, count, long) * plane(light), speed)
            for count, long, speed in ((420, 0.035, 1.35), (170, 0.085, 2.3))
        ]

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the streaks; each sheet is one tile that wraps from top to bottom."""
        height = self._size[0]
        for sheet, speed in self._sheets:
            cut = height - int(time * speed * height) % height
            canvas[:, : height - cut] += sheet[:, cut:]
            canvas[:, height - cut :] += sheet[:, :cut]


def _streaks(rng: np.random.Generator, stage: Stage, count: int, long: float) -> F32:
    height, width = stage.height, stage.width

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        for _ in range(int(count * width / height * 0.7)):
            x, y = rng.uniform(-0.02, 1) * width, rng.uniform(0, 1) * height
            fall = long * height * rng.uniform(0.6, 1.3)
            tone = int(rng.uniform(40, 130))
            for wrap in (0, -height):
                ends = (x, y + wrap, x - fall * 0.11, y + wrap + fall)
                surface.line([v * scale for v in ends], fill=tone, width=int(scale))

    return drawn(width, height, draw) * np.float32(0.6)


class Drifting:
    """Points of light that fall or float: snow, motes, fireflies, embers, bubbles.

    `fall` is heights per second (negative rises), `swing` the sideways sway in heights, and
    `low` and `high` the rows, as shares, between which they live. Each is a pure function of
    time, so any frame can be painted by itself.
    """

    def __init__(
        self,
        stage: Stage,
        name: str,
        *,
        count: int,
        colour: Colour,
        sizes: tuple[float, ...],
        fall: float,
        swing: float,
        blink: float = 0.0,
        band: tuple[float, float] = (0.0, 1.0),
        bright: float = 0.8,
    ) -> None:
        rng = stage.rng(name)
        self._stage, self._blink, self._band, self._swing = stage, blink, band, swing
        self._kinds = [Lights(glow(s * stage.unit), f32(colour) * bright) for s in sizes]
        self._kind = rng.integers(0, len(sizes), count)
        near = (self._kind + 1) / len(sizes)
        self._x, self._y = rng.random(count), rng.random(count)
        self._fall = fall * (0.45 + 0.75 * near) * rng.uniform(0.8, 1.2, count)
        self._phase = rng.uniform(0, 6.28, count)
        self._rate = rng.uniform(0.5, 1.3, count)
        self._slide = rng.uniform(-0.012, 0.02, count) * (0.5 + abs(fall) * 3)
        self._strength = rng.uniform(0.35, 1.0, count)

    def paint(self, canvas: F32, time: float, fade: float = 1.0) -> None:
        """Adds each point where it is at `time`."""
        stage = self._stage
        low, high = self._band
        y = (self._y + self._fall * time / (high - low)) % 1.0
        sway = np.sin(self._phase + time * self._rate) * self._swing * stage.height
        x = (self._x + self._slide * time) % 1.0 * stage.width * 1.04 + sway
        shine = self._strength * fade
        if self._blink:
            wave = 0.5 + 0.5 * np.sin(self._phase * 3 + time * 2.2 * self._rate)
            shine = shine * (1 - self._blink + self._blink * wave**3)
        if high - low < 1 or self._fall[0] < 0:
            # Where they begin and end in mid air they fade in and out.
            shine = shine * np.clip(np.minimum(y, 1 - y) * 5, 0, 1)
        rows = (low + (high - low) * (y * 1.06 - 0.03)) * stage.height
        for i, kind in enumerate(self._kind):
            self._kinds[kind].add(canvas, float(x[i]), float(rows[i]), float(shine[i]))


def snowfall(stage: Stage, count: int = 230) -> Drifting:
    """Snowflakes of several sizes; the large ones are close and fall faster."""
    white = mix((1.0, 1.0, 1.0), stage.palette.horizon, 0.15)
    return Drifting(
        stage, "snowfall", count=count, colour=white,
        sizes=(1.0, 1.0, 1.3, 1.3, 1.8, 2.6, 4.6), fall=0.13 * stage.description.energy,
        swing=0.02, bright=0.75,
    )  # fmt: skip


def motes(stage: Stage, count: int = 46) -> Drifting:
    """Dust or pollen that catches the light."""
    return Drifting(
        stage, "motes", count=count, colour=mix(stage.palette.sun, stage.palette.glow, 0.4),
        sizes=(0.9, 1.3, 2.0, 3.4), fall=-0.018, swing=0.03, blink=0.7, band=(0.2, 1.0),
        bright=0.42,
    )  # fmt: skip


def fireflies(stage: Stage, count: int = 60) -> Drifting:
    """Fireflies: warm points that go on and off over the ground."""
    return Drifting(
        stage, "fireflies", count=count, colour=(1.0, 0.86, 0.36),
        sizes=(1.6, 2.2, 3.2, 5.0), fall=-0.012, swing=0.05, blink=1.0, band=(0.42, 0.98),
        bright=1.5,
    )  # fmt: skip


class Mist:
    """A bank of mist between two rows that slides and thins out at both edges."""

    def __init__(
        self, stage: Stage, *, top: float, bottom: float, thick: float, name: str = "mist"
    ) -> None:
        rng = stage.rng(name)
        start, stop = int(top), max(int(top) + 4, min(stage.height, int(bottom)))
        self._rows = slice(max(0, start), stop)
        rows = stop - self._rows.start
        self._width = stage.width
        self._speed = stage.width * float(rng.uniform(0.012, 0.022))
        wide = stage.width + int(self._speed * stage.seconds) + 4
        band = np.sin(np.linspace(0, np.pi, rows, dtype=np.float32))[:, None]
        cloud = fbm(rng, (rows, wide), (2.2, 5), 4)
        self._field = f32(band * smoothstep(0.1, 0.95, cloud) * thick)
        self._colour = plane(mix(stage.palette.horizon, stage.palette.low, 0.2))
        self._mask = np.empty((rows, stage.width), np.float32)

    def paint(self, canvas: F32, time: float) -> None:
        """Blends the mist over its rows."""
        drift(self._field, time * self._speed, self._width, self._mask)
        view = canvas[:, self._rows]
        view += (self._colour - view) * self._mask


class Lightning:
    """Now and then the sky flickers and a bolt stands for an instant."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("lightning")
        self._stage = stage
        times = np.cumsum(rng.uniform(1.1, 2.6, 12)) - 0.4
        self._strikes = [float(t) for t in times if t < stage.seconds + 1]
        self._bolts = [_bolt(stage, rng) for _ in self._strikes]
        down = np.linspace(1, 0.25, stage.horizon, dtype=np.float32)[:, None]
        self._sheet = down * plane((0.72, 0.78, 1.0))

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the light of a strike while it lasts."""
        for strike, bolt in zip(self._strikes, self._bolts, strict=True):
            since = time - strike
            if 0 <= since < 0.5:
                flicker = np.exp(-since * 7) * (0.65 + 0.35 * np.sin(since * 70))
                sky = canvas[:, : self._stage.horizon]
                sky += sky * self._sheet * np.float32(1.1 * flicker)
                sky += (
                    bolt[: self._stage.horizon]
                    * plane((0.8, 0.85, 1.0))
                    * np.float32(1.6 * np.exp(-since * 11))
                )


def _bolt(stage: Stage, rng: np.random.Generator) -> F32:
    width, height = stage.width, stage.height

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        x, y = rng.uniform(0.15, 0.85) * width, 0.0
        branches = [(x, y, 1.0)]
        while branches:
            x, y, thick = branches.pop()
            while y < stage.horizon:
                to = (x + rng.normal(0, 0.016) * width, y + rng.uniform(0.015, 0.045) * height)
                line = [v * scale for v in (x, y, *to)]
                surface.line(line, fill=int(90 + 165 * thick), width=int(1 + thick * 2 * scale))
                x, y = to
                if thick > 0.6 and rng.random() < 0.16:
                    branches.append((x, y, thick * 0.45))
                if thick < 0.6 and rng.random() < 0.14:
                    break

    core = drawn(width, height, draw)
    return f32(core + blurred(core, 5 * stage.unit) * 1.2)


def embers(stage: Stage, count: int = 70) -> Drifting:
    """Sparks that rise from a fire."""
    return Drifting(
        stage, "embers", count=count, colour=(1.0, 0.5, 0.16),
        sizes=(0.8, 1.1, 1.5, 2.2), fall=-0.16, swing=0.03, blink=0.5, band=(0.05, 0.9), bright=1.3,
    )  # fmt: skip


def bubbles(stage: Stage, count: int = 60) -> Drifting:
    """Air that rises through water."""
    return Drifting(
        stage, "bubbles", count=count, colour=mix(stage.palette.shallow, (1.0, 1.0, 1.0), 0.6),
        sizes=(0.9, 1.3, 2.0, 3.4), fall=-0.07, swing=0.012, bright=0.4,
    )  # fmt: skip
