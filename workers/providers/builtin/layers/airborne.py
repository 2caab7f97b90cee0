"""Things in the air: birds, balloons and fireworks."""

import numpy as np
from PIL import ImageDraw

from workers.providers.builtin.layers.shapes import lit
from workers.providers.builtin.layers.sprite import Lights, Sprite, drawn, glow
from workers.providers.builtin.noise import F32, f32, smoothstep
from workers.providers.builtin.palette import Colour, mix, plane
from workers.providers.builtin.stage import Stage


class Birds:
    """A loose flock that crosses the sky, each bird beating its wings."""

    STEPS = 9

    def __init__(self, stage: Stage, count: int = 9) -> None:
        rng = stage.rng("birds")
        self._stage = stage
        tone = mix(stage.palette.ink, stage.palette.low, 0.25)
        self._kinds = [
            [_bird(size * stage.unit, tone, beat) for beat in np.linspace(-1, 1, self.STEPS)]
            for size in (9, 13, 18)
        ]
        self._kind = rng.integers(0, 3, count)
        self._x = rng.uniform(0.0, 0.3, count) + float(rng.uniform(0.05, 0.5))
        self._y = rng.uniform(0.0, 0.16, count) + float(rng.uniform(0.14, 0.3))
        self._phase = rng.uniform(0, 6.28, count)
        self._beat = rng.uniform(5.5, 8.0, count)

    def paint(self, canvas: F32, time: float) -> None:
        """Stamps each bird."""
        stage = self._stage
        for i, kind in enumerate(self._kind):
            glide = np.clip(np.sin(time * 0.8 + self._phase[i]) + 0.7, 0, 1)
            beat = np.sin(time * self._beat[i] + self._phase[i]) * glide + 0.25 * (1 - glide)
            picture = self._kinds[kind][round(float(beat + 1) * 4)]
            x = (self._x[i] + time * (0.014 + 0.004 * kind)) * stage.width
            y = self._y[i] * stage.height + np.sin(time + self._phase[i]) * 4 * stage.unit
            picture.stamp(canvas, float(x), float(y))


def _bird(size: float, tone: Colour, beat: float) -> Sprite:
    side = int(size * 2.4) + 4

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        middle, half = side / 2, size
        for way in (-1, 1):
            elbow = (middle + way * half * 0.45, middle - beat * size * 0.42)
            tip = (middle + way * half, middle - beat * size * 0.3 + size * 0.14)
            line = [(middle, middle), elbow, tip]
            thick = max(2, int(size * 0.11 * scale))
            surface.line(
                [(x * scale, y * scale) for x, y in line], fill=255, width=thick, joint="curve"
            )
        r = size * 0.1
        surface.ellipse(
            [v * scale for v in (middle - r * 1.8, middle - r, middle + r * 1.8, middle + r)],
            fill=255,
        )

    return Sprite(plane(tone), drawn(side, side, draw))


class Balloons:
    """Hot-air balloons that rise slowly."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("balloon")
        self._stage = stage
        tones: list[Colour] = [
            (0.86, 0.2, 0.16),
            (0.96, 0.68, 0.16),
            (0.16, 0.45, 0.66),
            (0.6, 0.25, 0.55),
        ]
        self._items = []
        for i, size in enumerate((0.34, 0.17, 0.11)):
            tone = lit(stage, tones[int(rng.integers(4))], 0.5)
            tone = mix(tone, stage.palette.low, 0.18 * i)
            side = stage.span * size
            x = float(rng.uniform(0.12, 0.3)) + 0.28 * i
            y = float(rng.uniform(0.2, 0.36))
            self._items.append((_balloon(side, tone, stage), x, y, size))

    def paint(self, canvas: F32, time: float) -> None:
        """Stamps each balloon."""
        stage = self._stage
        for i, (sprite, x, y, size) in enumerate(reversed(self._items)):
            sway = np.sin(time * 0.7 + i) * 0.004
            at = (x + sway + 0.004 * time * size * 3, y - 0.02 * time * size)
            sprite.stamp(canvas, float(at[0]) * stage.width, float(at[1]) * stage.height)


def _balloon(side: float, tone: Colour, stage: Stage) -> Sprite:
    n = max(8, int(side))
    y, x = np.mgrid[0:n, 0:n].astype(np.float32) / n
    across, down = (x - 0.5) / 0.36, (y - 0.38) / 0.37
    across = across / np.where(down > 0, 1 - 0.62 * np.clip(down, 0, 1) ** 1.6, 1.0)
    edge = 3.3 / n
    body = smoothstep(1 + edge, 1 - edge, np.sqrt(across**2 + down**2))
    basket = drawn(n, n, lambda surface, scale: _basket(surface, n * scale))
    gore = np.sin(np.arcsin(np.clip(across, -1, 1)) * 7) > 0
    lit_side = 1.0 if stage.sun[0] < stage.width / 2 else -1.0
    cream = mix(tone, (1.0, 0.95, 0.85), 0.75)
    colour = np.where(gore[None], plane(tone), plane(cream)) * f32(0.87 - 0.25 * across * lit_side)
    wood = plane(mix((0.3, 0.18, 0.1), stage.palette.ink, 0.4))
    colour = colour + (wood - colour) * np.clip(basket - body, 0, 1)
    return Sprite(f32(colour), np.maximum(body, basket))


def _basket(surface: ImageDraw.ImageDraw, size: float) -> None:
    surface.rectangle([v * size for v in (0.455, 0.86, 0.545, 0.95)], fill=255)
    for top, foot in ((0.4, 0.46), (0.6, 0.54)):
        line = [v * size for v in (top, 0.72, foot, 0.86)]
        surface.line(line, fill=200, width=max(1, int(size * 0.006)))


# A spark that shines less is not seen, and costs as much.
_DARK = 0.05


class Fireworks:
    """Rockets that burst into spheres of sparks, which fall and fade."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("fireworks")
        self._stage = stage
        tones: list[Colour] = [
            (1.0, 0.75, 0.35),
            (1.0, 0.3, 0.35),
            (0.4, 0.8, 1.0),
            (0.6, 1.0, 0.5),
            (0.9, 0.5, 1.0),
        ]
        spot = glow(2.0 * stage.unit, 1.4)
        self._lights = [Lights(spot, f32(tone) * 1.7) for tone in tones]
        starts = np.cumsum(rng.uniform(0.25, 0.7, 30)) - 1.6
        self._bursts = [
            (float(start), rng.uniform(0.15, 0.85), rng.uniform(0.14, 0.42), rng.uniform(0.16, 0.3),
             int(rng.integers(5)), rng.normal(0, 1, (int(rng.integers(60, 95)), 3)))
            for start in starts if start < stage.seconds
        ]  # fmt: skip

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the sparks of every burst that is alight, each with a short tail."""
        stage = self._stage
        for start, x, y, reach, tone, ways in self._bursts:
            since = time - start
            if not 0 < since < 2.0:
                continue
            ways = ways / np.linalg.norm(ways, axis=1, keepdims=True)
            for back, dim in ((0.0, 1.0), (0.07, 0.5)):
                age = max(0.0, since - back)
                out = reach * (1 - np.exp(-age * 2.6)) * stage.height
                rows = y * stage.height + ways[:, 1] * out + 0.05 * age**2 * stage.height
                cols = x * stage.width + ways[:, 0] * out
                shine = dim * max(0.0, 1 - since / 2.0) ** 1.4
                if shine < _DARK:
                    continue
                for col, row in zip(cols, rows, strict=True):
                    if row < stage.horizon:
                        self._lights[tone].add(canvas, float(col), float(row), shine)
