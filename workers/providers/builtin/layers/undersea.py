"""Under water: light from above, swaying weed, and fish in shoals."""

import numpy as np
from PIL import ImageDraw

from workers.providers.builtin.layers.sprite import Sprite, Strip, drawn
from workers.providers.builtin.noise import F32, drift, f32, fbm, fbm_line, smoothstep
from workers.providers.builtin.palette import Colour, mix, plane
from workers.providers.builtin.stage import Stage


class Deep:
    """The water itself: bright above, dark below, with the sun's patch on the surface."""

    def __init__(self, stage: Stage) -> None:
        colours = stage.palette
        rows = np.linspace(0, 1, stage.height, dtype=np.float32)[:, None]
        stops = (
            mix(colours.shallow, (0.75, 0.98, 0.95), 0.45), colours.shallow,
            mix(colours.shallow, colours.deep, 0.6), colours.deep,
            mix(colours.deep, (0, 0, 0), 0.5),
        )  # fmt: skip
        places = (0.0, 0.2, 0.5, 0.8, 1.0)
        bands = [np.interp(rows, places, [c[i] for c in stops]) for i in range(3)]
        cols = (np.arange(stage.width, dtype=np.float32)[None, :] - stage.sun[0]) / stage.height
        patch = np.exp(-((cols / 0.55) ** 2 + (rows / 0.34) ** 2))
        base = f32(bands) * np.ones((1, 1, stage.width), np.float32)
        self._base = f32(base + plane(colours.sun) * patch * 0.5)

    def paint(self, canvas: F32, time: float) -> None:
        """Replaces the whole canvas."""
        np.copyto(canvas, self._base)


class Rays:
    """Beams of light that fan out from above and waver."""

    def __init__(self, stage: Stage, *, strength: float = 0.3, reach: float = 0.85) -> None:
        rng = stage.rng("rays")
        rows, cols = np.ogrid[0 : stage.height, 0 : stage.width]
        source = (stage.sun[0], -0.35 * stage.height)
        angle = np.arctan2(cols - source[0], rows - source[1])
        self._index = f32((angle / np.pi + 0.5) * 900)
        fade = np.clip(1 - rows / (stage.height * reach), 0, 1) ** 1.3
        self._fade = f32(fade * np.ones_like(self._index) * strength)
        self._lines = [fbm_line(rng, 1600, 46, 4), fbm_line(rng, 1600, 70, 4)]
        self._light = plane(mix(stage.palette.sun, stage.palette.glow, 0.4))
        self._whole = self._index.astype(np.int32)

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the beams."""
        one, two = np.empty(900, np.float32), np.empty(900, np.float32)
        drift(self._lines[0], 20 + time * 5.0, 900, one)
        drift(self._lines[1], 300 - time * 6.0, 900, two)
        beams = smoothstep(0.42, 1.0, one * 0.6 + two * 0.55)
        light = np.take(beams, self._whole, mode="clip")
        light *= self._fade
        for channel, tone in zip(canvas, self._light[:, 0, 0], strict=True):
            channel += light * tone


def weeds(stage: Stage) -> list[Strip]:
    """Rocks and weed on the ground, from far to near."""
    return [_weed(stage, i / 2, i) for i in range(3)]


def _weed(stage: Stage, near: float, number: int) -> Strip:
    rng = stage.rng(f"weed{number}")
    depth = 0.15 + 0.5 * near
    wide = stage.width + stage.overscan(depth)
    high = stage.height * (0.16 + 0.1 * near)
    top = int(stage.height - high * 1.6)
    rows = stage.height - top
    line = rows - high * (0.25 + 0.55 * fbm_line(rng, wide, 3.2, 5))

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        edge = [(x * scale, float(line[x]) * scale) for x in range(0, wide, 3)]
        surface.polygon([(0, rows * scale), *edge, (wide * scale, rows * scale)], fill=255)
        for _ in range(26):
            x = float(rng.uniform(0, wide))
            foot = float(line[int(x)]) + 4
            for _ in range(int(rng.integers(2, 6))):
                _frond(surface, rng, x, foot, high * float(rng.uniform(0.25, 0.8)), scale)

    alpha = drawn(wide, rows, draw, blur=0.4 + 1.2 * near)
    body = mix(
        mix(stage.palette.deep, stage.palette.shallow, 0.35 * (1 - near)), (0, 0, 0), 0.55 * near
    )
    texture = fbm(rng, (rows, wide), (rows / 14, wide / 14), 4)
    return Strip(stage, alpha, f32(plane(body) * (0.75 + 0.5 * texture)), top, depth)


def _frond(
    surface: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    x: float,
    foot: float,
    tall: float,
    scale: float,
) -> None:
    bend, sway = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(4, 8))
    left: list[tuple[float, float]] = []
    right: list[tuple[float, float]] = []
    for share in np.linspace(0, 1, 18):
        at = x + tall * (bend * share + 0.05 * np.sin(share * sway))
        thick = tall * 0.03 * (1 - share) * (1 + 0.4 * np.sin(share * sway * 4))
        y = (foot - tall * share) * scale
        left.append(((at - thick) * scale, y))
        right.append(((at + thick) * scale, y))
    surface.polygon([*left, *reversed(right)], fill=255)


class Fish:
    """Shoals that cross the picture, each fish wagging its tail."""

    STEPS = 5

    def __init__(self, stage: Stage, count: int = 34) -> None:
        rng = stage.rng("fish")
        self._stage = stage
        tones: list[Colour] = [(1.0, 0.55, 0.12), (0.98, 0.85, 0.25), (0.55, 0.75, 0.9)]
        dark = mix(stage.palette.deep, (0, 0, 0), 0.3)
        self._kinds: list[list[Sprite]] = []
        for size, near in ((16, 0.0), (30, 0.5), (62, 1.0)):
            tone = mix(dark, tones[int(rng.integers(3))], 0.15 + 0.75 * near)
            long = size * stage.unit
            self._kinds.append([_fish(long, tone, step / 2 - 1) for step in range(self.STEPS)])
        self._kind = rng.choice(3, count, p=[0.55, 0.3, 0.15])
        shoal = rng.uniform(0, 1, (3, 2)) * (1.0, 0.45) + (0.0, 0.2)
        spread = rng.normal(0, 1, (count, 2)) * (0.13, 0.07)
        self._at = shoal[self._kind] + spread
        self._speed = (0.02 + 0.016 * self._kind) * rng.uniform(0.85, 1.15, count)
        self._phase = rng.uniform(0, 6.28, count)

    def paint(self, canvas: F32, time: float) -> None:
        """Stamps far fish first."""
        stage = self._stage
        for i in np.argsort(self._kind, kind="stable"):
            wag = np.sin(time * 9 + self._phase[i])
            x = (self._at[i, 0] + self._speed[i] * time) % 1.2 - 0.1
            y = self._at[i, 1] + 0.012 * np.sin(time * 1.3 + self._phase[i])
            picture = self._kinds[self._kind[i]][round((wag + 1) * 2)]
            picture.stamp(canvas, float(x) * stage.width, float(y) * stage.height)


def _fish(long: float, tone: Colour, wag: float) -> Sprite:
    width, height = int(long * 1.3) + 4, int(long * 0.6) + 4

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        x0, middle = long * 0.32 * scale, height / 2 * scale
        surface.ellipse(
            (
                x0,
                middle - long * 0.19 * scale,
                x0 + long * 0.85 * scale,
                middle + long * 0.19 * scale,
            ),
            fill=255,
        )
        tip = middle + wag * long * 0.07 * scale
        spread = long * 0.2 * scale
        surface.polygon(
            [
                (x0 + long * 0.16 * scale, middle),
                (2, tip - spread),
                (long * 0.12 * scale, tip),
                (2, tip + spread),
            ],
            fill=255,
        )
        fin = [
            (x0 + long * 0.3 * scale, middle - long * 0.15 * scale),
            (x0 + long * 0.42 * scale, middle - long * 0.28 * scale),
        ]
        surface.polygon([*fin, (x0 + long * 0.6 * scale, middle - long * 0.14 * scale)], fill=255)

    alpha = drawn(width, height, draw, blur=0.5)
    rows = np.linspace(1.3, 0.6, height, dtype=np.float32)[:, None]
    stripe = 0.82 + 0.18 * np.cos(np.arange(width) / max(1.0, long) * 26)[None, :]
    return Sprite(f32(plane(tone) * rows * stripe), alpha)
