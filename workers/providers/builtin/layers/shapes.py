"""Shapes drawn from outlines, in the light of the hour, and what stands where it was put."""

import numpy as np
from PIL import ImageDraw

from workers.providers.builtin.layers.sprite import Lights, Sprite, drawn, glow
from workers.providers.builtin.noise import F32, f32
from workers.providers.builtin.palette import Colour, luma, mix, plane
from workers.providers.builtin.stage import Stage

#: Corners in a unit square, y down.
Outline = tuple[tuple[float, float], ...]


def shape(size: float, *outlines: Outline, blur: float = 0.0) -> F32:
    """A mask `size` pixels square with the outlines filled."""
    side = max(6, int(size))

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        for outline in outlines:
            surface.polygon([(x * side * scale, y * side * scale) for x, y in outline], fill=255)

    return drawn(side, side, draw, blur)


def painted(parts: list[tuple[F32, Colour]]) -> Sprite:
    """One sprite of several masks, later ones in front."""
    alpha = np.zeros_like(parts[0][0])
    colour = np.zeros((3, *alpha.shape), np.float32)
    for mask, tone in parts:
        colour += (plane(tone) - colour) * mask
        alpha = np.maximum(alpha, mask)
    return Sprite(f32(colour / np.maximum(alpha, 1e-3)), alpha)


def lit(stage: Stage, tone: Colour, share: float = 0.5) -> Colour:
    """The tone as the hour lets it look."""
    dim = {"night": 0.24, "storm": 0.6, "sunset": 0.85}.get(stage.description.hour, 1.0)
    seen = mix(tone, mix(stage.palette.ink, stage.palette.near, 0.4), share * (1.1 - dim))
    red, green, blue = (v * dim for v in mix(seen, stage.palette.glow, 0.12))
    return red, green, blue


class Still:
    """A drawn thing that stands on the ground and only moves with the camera."""

    def __init__(self, stage: Stage, sprite: Sprite, x: float, y: float, depth: float) -> None:
        self._stage, self._sprite, self._depth = stage, sprite, depth
        self._x, self._y = x + abs(stage.pan) * depth / 2, y

    def paint(self, canvas: F32, time: float) -> None:
        """Stamps it."""
        self._sprite.stamp(canvas, self._x - self._stage.travel(self._depth, time), self._y)


class Lamp:
    """The soft light around a window or a lamp; stronger by night."""

    def __init__(
        self, stage: Stage, at: tuple[float, float], radius: float, depth: float, tone: Colour
    ) -> None:
        self._stage, self._at, self._depth = stage, at, depth
        self._lights = Lights(glow(max(2.0, radius), 1.3), f32(tone))
        self._bright = 0.5 if luma(stage.palette.horizon) < 0.4 else 0.2

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the light, which breathes a little."""
        shine = self._bright * (1 + 0.06 * np.sin(time * 5.3) + 0.04 * np.sin(time * 8.9))
        x = self._at[0] - self._stage.travel(self._depth, time)
        self._lights.add(canvas, x, self._at[1], float(shine))
