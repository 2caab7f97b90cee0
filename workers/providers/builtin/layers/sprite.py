"""Drawn shapes: antialiased masks, strips as wide as the frame, and stamps at any place."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from workers.providers.builtin.noise import F32, drift, f32
from workers.providers.builtin.stage import Stage

#: Shapes are drawn this many times larger and scaled down, for smooth edges.
OVERSAMPLING = 3

Draw = Callable[[ImageDraw.ImageDraw, float], None]


def drawn(width: int, height: int, draw: Draw, blur: float = 0.0) -> F32:
    """A mask (height, width) of 0..1; `draw` gets a surface and the scale to draw at."""
    size = (width * OVERSAMPLING, height * OVERSAMPLING)
    surface = Image.new("L", size, 0)
    draw(ImageDraw.Draw(surface), float(OVERSAMPLING))
    surface = surface.resize((width, height), Image.Resampling.BOX)
    if blur:
        surface = surface.filter(ImageFilter.GaussianBlur(blur))
    return f32(surface) / np.float32(255)


def blurred(mask: F32, radius: float) -> F32:
    """The mask softened by a Gaussian."""
    picture = Image.fromarray((np.clip(mask, 0, 1) * 255).astype(np.uint8))
    return f32(picture.filter(ImageFilter.GaussianBlur(radius))) / np.float32(255)


class Strip:
    """A layer as wide as the frame that moves sideways with the camera.

    `alpha` is (rows, wide) and `colour` (3, rows, wide) or (3, rows, 1), laid from row `top` down.
    """

    def __init__(self, stage: Stage, alpha: F32, colour: F32, top: int, depth: float) -> None:
        start, stop = max(0, top), min(stage.height, top + alpha.shape[0])
        self._alpha = alpha[start - top : stop - top]
        self._colour = colour[:, start - top : stop - top]
        self._rows = slice(start, max(start, stop))
        self._stage, self._depth = stage, depth
        size = (self._alpha.shape[0], stage.width)
        self._mask = np.empty(size, np.float32)
        self._paint = np.empty((3, *size), np.float32)

    @property
    def solid_from(self) -> int:
        """The row from which on nothing behind the strip shows."""
        open_rows = np.flatnonzero(self._alpha.min(axis=1) < 1)
        return self._rows.start + (int(open_rows[-1]) + 1 if len(open_rows) else 0)

    def cut(self, row: int) -> None:
        """Leaves out what lies from `row` down, which something in front hides."""
        keep = max(0, min(row, self._rows.stop) - self._rows.start)
        self._rows = slice(self._rows.start, self._rows.start + keep)
        self._alpha, self._colour = self._alpha[:keep], self._colour[:, :keep]
        self._mask, self._paint = self._mask[:keep], np.ascontiguousarray(self._paint[:, :keep])

    def paint(self, canvas: F32, time: float) -> None:
        """Blends the strip over its rows."""
        if self._alpha.shape[0] == 0:
            return
        stage = self._stage
        step = stage.travel(self._depth, time)
        drift(self._alpha, step, stage.width, self._mask)
        below = canvas[:, self._rows]
        if self._colour.shape[2] == 1:
            np.subtract(self._colour, below, out=self._paint)
        else:
            drift(self._colour, step, stage.width, self._paint)
            self._paint -= below
        self._paint *= self._mask
        below += self._paint


class Sprite:
    """A small picture: premultiplied colour (3, h, w) and alpha (h, w)."""

    def __init__(self, colour: F32, alpha: F32) -> None:
        edge = ((1, 1), (1, 1))
        self._alpha = np.pad(f32(alpha), edge)
        spread = f32(np.broadcast_to(colour, (3, *alpha.shape)) * alpha)
        self._colour = np.pad(spread, ((0, 0), *edge))

    def mirrored(self, colour: tuple[float, float, float], share: float) -> "Sprite":
        """Upside down, as calm water shows it: mixed with its colour, fading away from the eye."""
        fade = np.linspace(0.75, 0.0, self._alpha.shape[0], dtype=np.float32)[:, None]
        alpha = self._alpha[::-1]
        straight = self._colour[:, ::-1] / np.maximum(alpha, np.float32(1e-3))
        tone = straight + (f32(colour).reshape(3, 1, 1) - straight) * np.float32(share)
        return Sprite(f32(tone), f32(alpha * fade))

    def stamp(self, canvas: F32, x: float, y: float, fade: float = 1.0) -> None:
        """Blends the picture with its upper left corner at (x, y), between pixels if need be."""
        left, top = int(np.floor(x)), int(np.floor(y))
        part_x, part_y = np.float32(x - left), np.float32(y - top)
        colour, alpha = self._colour, self._alpha
        if part_x > 0.02:
            colour = _between(colour[..., 1:], colour[..., :-1], part_x)
            alpha = _between(alpha[..., 1:], alpha[..., :-1], part_x)
        if part_y > 0.02:
            colour = _between(colour[..., 1:, :], colour[..., :-1, :], part_y)
            alpha = _between(alpha[1:], alpha[:-1], part_y)
        left -= int(part_x <= 0.02)
        top -= int(part_y <= 0.02)
        window = _overlap(canvas.shape, alpha.shape, left, top)
        if window is None:
            return
        there, here = window
        target = canvas[:, there[0], there[1]]
        target *= 1 - alpha[here] * np.float32(fade)
        target += colour[:, here[0], here[1]] * np.float32(fade)


def _between(one: F32, other: F32, share: np.float32) -> F32:
    return f32(one + (other - one) * share)


def _overlap(
    canvas: tuple[int, ...], sprite: tuple[int, ...], left: int, top: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Where the sprite lies in the canvas and which part of it that is; None when outside."""
    y0, y1 = max(0, top), min(canvas[1], top + sprite[0])
    x0, x1 = max(0, left), min(canvas[2], left + sprite[1])
    if y0 >= y1 or x0 >= x1:
        return None
    there = (slice(y0, y1), slice(x0, x1))
    return there, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def glow(radius: float, sharp: float = 2.0) -> F32:
    """A round soft spot of light, 1 in the middle."""
    reach = int(np.ceil(radius * 2.2))
    line = np.arange(-reach, reach + 1, dtype=np.float32)
    far = np.sqrt(line[:, None] ** 2 + line[None, :] ** 2) / np.float32(radius)
    return f32(np.exp(-(far**sharp)) * np.clip(2.2 - far, 0, 1))


class Lights:
    """Adds one kind of spot at many places; cheap enough for hundreds in each frame."""

    PHASES = 4

    def __init__(self, spot: F32, colour: F32) -> None:
        padded = np.pad(spot, 1)
        self._spots: list[list[F32]] = []
        for j in range(self.PHASES):
            rows = _between(padded[1:], padded[:-1], np.float32(j / self.PHASES))
            line = []
            for i in range(self.PHASES):
                part = _between(rows[:, 1:], rows[:, :-1], np.float32(i / self.PHASES))
                line.append(f32(part[None] * colour.reshape(3, 1, 1)))
            self._spots.append(line)
        self._half = spot.shape[0] / 2

    def add(self, canvas: F32, x: float, y: float, strength: float = 1.0) -> None:
        """Adds the spot with its middle at (x, y)."""
        x, y = x - self._half, y - self._half
        left, top = int(np.floor(x)), int(np.floor(y))
        spot = self._spots[int((y - top) * self.PHASES)][int((x - left) * self.PHASES)]
        window = _overlap(canvas.shape, spot.shape[1:], left, top)
        if window is not None:
            there, here = window
            canvas[:, there[0], there[1]] += spot[:, here[0], here[1]] * np.float32(strength)
