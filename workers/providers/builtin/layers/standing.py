"""Things that stand in a scene: a cat, a person, a cabin, a lighthouse, logs."""

import numpy as np

from workers.providers.builtin.layers.shapes import Lamp, Outline, Still, lit, painted, shape
from workers.providers.builtin.layers.sprite import Lights, Sprite, glow
from workers.providers.builtin.noise import F32, f32, smoothstep
from workers.providers.builtin.palette import Colour, mix, plane
from workers.providers.builtin.stage import Stage

_CAT: Outline = (
    (0.3, 1.0), (0.27, 0.8), (0.3, 0.6), (0.36, 0.46), (0.33, 0.36), (0.32, 0.26), (0.33, 0.1),
    (0.41, 0.19), (0.5, 0.19), (0.58, 0.1), (0.59, 0.26), (0.58, 0.36), (0.55, 0.45), (0.64, 0.58),
    (0.71, 0.78), (0.72, 0.92), (0.82, 0.9), (0.88, 0.8), (0.86, 0.68), (0.9, 0.64), (0.95, 0.74),
    (0.93, 0.88), (0.86, 0.98), (0.74, 1.0),
)  # fmt: skip
_PERSON: Outline = (
    (0.4, 1.0), (0.41, 0.7), (0.38, 0.62), (0.36, 0.36), (0.41, 0.25), (0.47, 0.22), (0.45, 0.17),
    (0.44, 0.1), (0.48, 0.04), (0.53, 0.04), (0.57, 0.1), (0.56, 0.17), (0.54, 0.22), (0.6, 0.25),
    (0.65, 0.36), (0.63, 0.62), (0.6, 0.7), (0.61, 1.0), (0.53, 1.0), (0.51, 0.72), (0.48, 1.0),
)  # fmt: skip


def figure(stage: Stage, name: str, *, foot: float, depth: float) -> Still:
    """The silhouette of a cat or a person standing on row `foot`."""
    rng = stage.rng(name)
    size = stage.span * (0.3 if name == "cat" else 0.26)
    outline = _CAT if name == "cat" else _PERSON
    mask = shape(size, outline, blur=0.5)
    rim = np.clip(mask - np.roll(mask, 2 if stage.sun[0] < stage.width / 2 else -2, axis=1), 0, 1)
    body = (
        plane(stage.palette.ink)
        + (plane(stage.palette.glow) - plane(stage.palette.ink)) * rim * 0.7
    )
    share = 0.62 if stage.sun[0] < stage.width / 2 else 0.3
    x = stage.width * (share + float(rng.uniform(-0.05, 0.05))) - size / 2
    return Still(stage, Sprite(f32(body), mask), x, foot - size * 0.99, depth)


def cabin(stage: Stage, *, foot: float, depth: float) -> list[Still | Lamp]:
    """A small house with a lit window on row `foot`."""
    rng = stage.rng("cabin")
    size = stage.span * 0.17
    wall = mix(lit(stage, (0.36, 0.22, 0.14), 0.8), stage.palette.ink, 0.3)
    roof = mix(lit(stage, (0.2, 0.11, 0.1), 0.8), stage.palette.ink, 0.3)
    if stage.description.place == "snow":
        roof = mix(stage.palette.cloud_light, (1.0, 1.0, 1.0), 0.2)
    light = (1.0, 0.76, 0.36)
    parts: list[tuple[F32, Colour]] = [
        (shape(size, ((0.68, 0.12), (0.78, 0.12), (0.78, 0.5), (0.68, 0.5))), wall),
        (shape(size, ((0.14, 0.52), (0.86, 0.52), (0.86, 1.0), (0.14, 1.0))), wall),
        (shape(size, ((0.04, 0.56), (0.3, 0.24), (0.74, 0.24), (0.96, 0.56))), roof),
        (shape(size, ((0.26, 0.66), (0.42, 0.66), (0.42, 0.84), (0.26, 0.84))), light),
        (
            shape(size, ((0.6, 0.66), (0.74, 0.66), (0.74, 1.0), (0.6, 1.0))),
            mix(wall, (0, 0, 0), 0.4),
        ),
    ]
    x = stage.width * float(rng.choice([0.26, 0.7])) - size / 2
    house = Still(stage, painted(parts), x, foot - size, depth)
    middle = (x + size * 0.34 + abs(stage.pan) * depth / 2, foot - size * 0.25)
    return [house, Lamp(stage, middle, size * 0.45, depth, (1.0, 0.6, 0.22))]


def logs(stage: Stage, column: float, foot: float) -> Still:
    """Crossed logs under a fire."""
    size = stage.span * 0.58
    one: Outline = ((0.12, 0.9), (0.16, 0.84), (0.84, 0.95), (0.82, 1.0))
    two: Outline = ((0.88, 0.9), (0.84, 0.84), (0.16, 0.95), (0.18, 1.0))
    three: Outline = ((0.3, 0.98), (0.3, 0.92), (0.7, 0.92), (0.7, 0.98))
    bark = mix((0.34, 0.16, 0.08), stage.palette.ink, 0.2)
    hot = mix(bark, (0.9, 0.3, 0.05), 0.16)
    parts = [
        (shape(size, one), bark),
        (shape(size, two), mix(bark, (0, 0, 0), 0.3)),
        (shape(size, three), hot),
    ]
    return Still(stage, painted(parts), column - size / 2, foot - size * 0.95, 0.0)


class Lighthouse:
    """A lighthouse on a rock; its beam sweeps round when it is dark enough."""

    def __init__(self, stage: Stage) -> None:
        size = stage.span * 0.42
        self._stage = stage
        white, red = lit(stage, (0.95, 0.93, 0.9)), lit(stage, (0.75, 0.16, 0.13))
        rock = mix(stage.palette.ink, stage.palette.near, 0.4)
        bands: list[tuple[F32, Colour]] = []
        for i in range(5):
            y0, y1 = 0.2 + 0.132 * i, 0.2 + 0.132 * (i + 1)
            a, b = 0.055 + 0.06 * (y0 - 0.2), 0.055 + 0.06 * (y1 - 0.2)
            line = ((0.5 - a, y0), (0.5 + a, y0), (0.5 + b, y1), (0.5 - b, y1))
            bands.append((shape(size, line), red if i % 2 else white))
        cap = ((0.44, 0.12), (0.5, 0.06), (0.56, 0.12), (0.56, 0.135), (0.44, 0.135))
        lamp = ((0.455, 0.135), (0.545, 0.135), (0.545, 0.2), (0.455, 0.2))
        stone = (
            (0.05, 1.0),
            (0.16, 0.9),
            (0.3, 0.87),
            (0.38, 0.81),
            (0.63, 0.82),
            (0.75, 0.89),
            (0.9, 0.93),
            (1.0, 1.0),
        )
        parts = [
            *bands,
            (shape(size, cap), rock),
            (shape(size, lamp), (1.0, 0.92, 0.6)),
            (shape(size, stone), rock),
        ]
        x = stage.width * (0.8 if stage.sun[0] < stage.width / 2 else 0.2)
        self._sprite, self._at = painted(parts), (x - size / 2, stage.horizon - size * 0.96)
        self._lamp = (x, self._at[1] + size * 0.165)
        rows, cols = np.ogrid[0 : stage.horizon, 0 : stage.width]
        self._angle = f32(np.arctan2(rows - self._lamp[1], cols - self._lamp[0]))
        self._far = f32(np.hypot(rows - self._lamp[1], cols - self._lamp[0]) / stage.width)
        self._dark = stage.description.hour in ("night", "storm", "sunset")
        self._halo = Lights(glow(size * 0.09, 1.2), f32((1.0, 0.88, 0.55)))

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the beam and stamps the tower."""
        if self._dark:
            turn = time * 0.9
            way = 0.0 if np.cos(turn) > 0 else np.pi
            narrow = 0.035 + 0.16 * (1 - abs(float(np.cos(turn))))
            off = np.abs((self._angle - way + np.pi) % (2 * np.pi) - np.pi)
            beam = smoothstep(narrow, 0, off) * np.exp(
                -self._far / (0.5 * abs(float(np.cos(turn))) + 0.02)
            )
            canvas[:, : self._stage.horizon] += plane((1.0, 0.92, 0.68)) * f32(beam * 0.55)
        self._sprite.stamp(canvas, *self._at)
        if self._dark:
            self._halo.add(canvas, *self._lamp, 0.9)
