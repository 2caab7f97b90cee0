"""A city: rows of buildings with lit windows, mirrored in the water or the wet street below."""

from dataclasses import dataclass

import numpy as np

from workers.providers.builtin.layers.sprite import Lights, Strip, glow
from workers.providers.builtin.noise import F32, f32, fbm
from workers.providers.builtin.palette import Colour, mix, plane
from workers.providers.builtin.stage import Stage

#: Colours of windows and signs.
WARM: tuple[Colour, ...] = ((1.0, 0.78, 0.42), (1.0, 0.86, 0.6), (0.95, 0.93, 0.85))
NEON: tuple[Colour, ...] = ((1.0, 0.2, 0.65), (0.2, 0.9, 1.0), (0.7, 0.35, 1.0), (1.0, 0.5, 0.2))


@dataclass(frozen=True, slots=True)
class _Block:
    """One building of a row, in pixels; `top` is a row."""

    left: int
    right: int
    top: int
    style: int


class City:
    """Rows of buildings from far to near, and the red beacons on the tallest ones."""

    ROWS = 3

    def __init__(self, stage: Stage) -> None:
        self._strips: list[Strip] = []
        self._beacons: list[tuple[float, float, float, float]] = []
        self._stage = stage
        for number in range(self.ROWS):
            self._add_row(number / (self.ROWS - 1), number)
        spot = glow(2.2 * stage.unit)
        self._red = Lights(spot, f32((1.0, 0.14, 0.1)))
        self._lit = stage.description.hour in ("night", "storm", "sunset")

    def _add_row(self, near: float, number: int) -> None:
        stage = self._stage
        rng = stage.rng(f"city{number}")
        depth = 0.05 + 0.22 * near
        wide = stage.width + stage.overscan(depth)
        high = min(stage.horizon * 0.86, stage.height * 0.62) * (0.98 - 0.34 * near)
        blocks = _row(rng, stage, wide, high, near)
        top = max(0, min(block.top for block in blocks) - int(30 * stage.unit))
        rows = stage.horizon - top + 1
        alpha = np.zeros((rows, wide), np.float32)
        colour = np.zeros((3, rows, wide), np.float32)
        lights = np.zeros((3, rows, wide), np.float32)
        for block in blocks:
            sides = _build(alpha, colour, block, top, stage, rng, near)
            if sides is not None:
                inner = slice(sides[0] + 2, sides[1] - 2)
                _windows(lights[:, block.top - top + 4 :, inner], stage, rng, near)
            if near < 1 and block.top < stage.horizon - high * 0.78:
                x = (block.left + block.right) / 2
                self._beacons.append((x, block.top - 3, depth, float(rng.uniform(0, 6.28))))
        haze = mix(stage.palette.horizon, stage.palette.low, 0.35)
        share = (0.62 - 0.55 * near) * (0.5 + 0.5 * np.linspace(0, 1, rows)[:, None])
        colour += (plane(haze) - colour) * f32(share)
        colour += lights * f32(1 - 0.45 * share)
        self._strips.append(Strip(stage, alpha, colour, top, depth))

    def paint(self, canvas: F32, time: float) -> None:
        """Blends the rows and adds the beacons, which pulse."""
        for strip in self._strips:
            strip.paint(canvas, time)
        if self._lit:
            for x, y, depth, phase in self._beacons:
                pulse = max(0.0, float(np.sin(phase + time * 2.6))) ** 2
                self._red.add(canvas, x - self._stage.travel(depth, time), y, 0.25 + 1.1 * pulse)


def _row(
    rng: np.random.Generator, stage: Stage, wide: int, high: float, near: float
) -> list[_Block]:
    """Buildings side by side; tall ones stand in two clusters, as city centres do."""
    centres = rng.uniform(0.15, 0.85, 2) * wide
    blocks = []
    left = -10
    while left < wide:
        across = int(stage.height * rng.uniform(0.045, 0.105) * (0.75 + 0.7 * near))
        middle = left + across / 2
        close = max(np.exp(-(((middle - c) / (0.2 * wide)) ** 2)) for c in centres)
        tall = high * (0.22 + 0.78 * close * rng.uniform(0.45, 1.0)) * rng.uniform(0.75, 1.05)
        top = int(stage.horizon - tall)
        blocks.append(_Block(left, left + across, max(2, top), int(rng.integers(4))))
        left += across + int(rng.choice([0, 0, 1, 3]) * stage.unit)
    return blocks


def _build(
    alpha: F32,
    colour: F32,
    block: _Block,
    top: int,
    stage: Stage,
    rng: np.random.Generator,
    near: float,
) -> tuple[int, int] | None:
    """Paints one building with its roof into the row's fields; its left and right column."""
    left, right = max(0, block.left), min(alpha.shape[1], block.right)
    if right - left < 8:
        return None
    start = block.top - top
    colours = stage.palette
    wall = mix(mix(colours.far, colours.near, 0.35 + 0.55 * near), colours.ink, 0.3 * near)
    wall = mix(wall, colours.high, float(rng.uniform(0.0, 0.16)))
    rows = alpha.shape[0] - start
    fall = np.linspace(1.12, 0.86, rows, dtype=np.float32)[:, None]
    alpha[start:, left:right] = 1
    colour[:, start:, left:right] = plane(wall) * fall
    edge = slice(left, left + max(1, int((right - left) * 0.22)))
    if stage.sun[0] > stage.width / 2:
        edge = slice(right - (edge.stop - edge.start), right)
    colour[:, start:, edge] += plane(colours.glow) * np.float32(0.07)
    _roof(alpha, colour, block, start, (left, right), wall)
    return left, right


def _roof(
    alpha: F32, colour: F32, block: _Block, start: int, sides: tuple[int, int], wall: Colour
) -> None:
    """A mast or a narrower storey on top of some of the buildings."""
    left, right = sides
    middle, across = (left + right) // 2, right - left
    if block.style == 1:
        rise = min(start, int(across * 0.7))
        alpha[start - rise : start, middle : middle + 1] = 1
        colour[:, start - rise : start, middle : middle + 1] = plane(wall)
    elif block.style == 2:
        rise = min(start, int(across * 0.25))
        part = slice(left + across // 4, right - across // 4)
        alpha[start - rise : start, part] = 1
        colour[:, start - rise : start, part] = plane(wall)


def _windows(wall: F32, stage: Stage, rng: np.random.Generator, near: float) -> None:
    """Lights some windows of a grid, in place."""
    if not stage.has("windows"):
        return
    across = max(2, round((1.7 + 1.3 * near) * stage.unit))
    pitch_x, pitch_y = (
        across + max(1, round(1.6 * stage.unit)),
        int(across * 1.2) + max(2, round(2.0 * stage.unit)),
    )
    rows, cols = wall.shape[1] // pitch_y, wall.shape[2] // pitch_x
    if rows < 1 or cols < 1:
        return
    night = {"night": 0.5, "storm": 0.34, "sunset": 0.26}.get(stage.description.hour, 0.0)
    lit = rng.random((rows, cols)) < night * rng.uniform(0.35, 1.25)
    lit |= rng.random((rows, 1)) < 0.05 * (night > 0)
    neon = stage.description.style == "neon"
    tones = f32(NEON if neon else WARM)[rng.integers(0, 4 if neon else 3, (rows, cols))]
    glass = f32(stage.palette.high if night else stage.palette.horizon)
    strength = f32(rng.uniform(0.35, 1.05, (rows, cols)))[..., None]
    dark = (0.06 if night else 0.34) * rng.random((rows, cols), dtype=np.float32)
    light = np.where(lit[..., None], tones * strength, 0).transpose(2, 0, 1)
    pane = np.zeros((pitch_y, pitch_x), np.float32)
    pane[: pitch_y - max(1, pitch_y // 3), :across] = 1
    grid = np.kron(light, pane[None])
    mirror = np.kron(glass[:, None, None] * dark, pane[None])
    area = wall[:, : rows * pitch_y, : cols * pitch_x]
    area += f32(mirror)
    area += f32(grid) * np.float32(0.95)


class Glow:
    """The haze of light over a city at night."""

    def __init__(self, stage: Stage) -> None:
        rows = np.arange(stage.horizon, dtype=np.float32)[:, None]
        rise = np.exp(-(stage.horizon - rows) / (0.22 * stage.height))
        patch = fbm(stage.rng("glow"), (stage.horizon, stage.width), (2, 4), 3)
        tone = NEON[0] if stage.description.style == "neon" else (1.0, 0.62, 0.3)
        self._light = f32(plane(mix(tone, stage.palette.glow, 0.3)) * rise * (0.12 + 0.24 * patch))
        self._rows = stage.horizon

    def paint(self, canvas: F32, time: float) -> None:
        """Adds the glow to the sky."""
        canvas[:, : self._rows] += self._light


class Traffic:
    """Head and tail lights that run along the shore."""

    def __init__(self, stage: Stage, count: int = 26) -> None:
        rng = stage.rng("traffic")
        self._stage = stage
        self._away = rng.random(count) < 0.5
        self._x = rng.random(count)
        self._speed = rng.uniform(0.03, 0.06, count) * np.where(self._away, 1, -1)
        spot = glow(1.5 * stage.unit)
        self._white = Lights(spot, f32((1.0, 0.95, 0.8)))
        self._red = Lights(spot, f32((1.0, 0.2, 0.12)))

    def paint(self, canvas: F32, time: float) -> None:
        """Adds each car's light just above the horizon."""
        stage = self._stage
        for x, speed, away in zip(self._x, self._speed, self._away, strict=True):
            at = (x + speed * time) % 1.0 * stage.width
            row = stage.horizon - (2.0 if away else 3.6) * stage.unit
            (self._red if away else self._white).add(canvas, float(at), row, 1.1)
