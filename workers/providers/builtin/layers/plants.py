"""Plants: rows of trees, grass and flowers that sway."""

import numpy as np
from PIL import ImageDraw

from workers.providers.builtin.layers.sprite import Sprite, Strip, drawn
from workers.providers.builtin.noise import F32, f32, fbm_line
from workers.providers.builtin.palette import Colour, mix, plane
from workers.providers.builtin.stage import Stage

Point = tuple[float, float]


def conifer(
    rng: np.random.Generator, x: float, foot: float, high: float, lean: float = 0.0
) -> list[Point]:
    """The outline of a spruce: tiers of drooping branches, wider towards the foot."""
    tiers = int(rng.integers(9, 15))
    half = high * float(rng.uniform(0.15, 0.22))
    left: list[Point] = []
    right: list[Point] = []
    for tier in range(tiers):
        share = (tier + 1) / tiers
        y = foot - high * (1 - share * 0.94)
        spread = half * share**0.85
        for side, points in ((-1, left), (1, right)):
            out = spread * float(rng.uniform(0.72, 1.12))
            droop = high / tiers * float(rng.uniform(0.15, 0.5))
            points.append((x + lean * (1 - share) + side * out, y + droop))
            points.append((x + lean * (1 - share) + side * out * 0.52, y - high * 0.004))
    return [(x + lean, foot - high), *right, (x, foot), *reversed(left)]


def tree_line(
    stage: Stage, name: str, *, foot: float, high: float, gap: float, depth: float, haze: float
) -> Strip:
    """A row of conifers; `foot` is a row, `high` and `gap` are in pixels, `haze` is 0..1."""
    rng = stage.rng(name)
    wide = stage.width + stage.overscan(depth)
    top = int(foot - high * 1.5)
    rows = max(4, stage.height - top)
    bumps = (fbm_line(rng, wide, 4, 4) - 0.5) * high * 0.5

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        at = -high * 0.2
        while at < wide + high * 0.2:
            base = foot - top + float(bumps[min(wide - 1, max(0, int(at)))])
            tall = high * float(rng.uniform(0.55, 1.2))
            outline = conifer(rng, at, base + high * 0.08, tall)
            surface.polygon([(x * scale, y * scale) for x, y in outline], fill=255)
            at += gap * float(rng.uniform(0.35, 1.5))
        edge = [(x * scale, (foot - top + float(bumps[x])) * scale) for x in range(0, wide, 3)]
        surface.polygon([(0, rows * scale), *edge, (wide * scale, rows * scale)], fill=255)

    alpha = drawn(wide, rows, draw)
    colours = stage.palette
    fog = mix(colours.horizon, colours.low, 0.3)
    body = mix(mix(colours.near, colours.ink, 0.5), fog, haze)
    foot_colour = mix(body, fog, 0.55 * min(1.0, haze * 1.6 + 0.1))
    share = np.clip((np.arange(rows) - high * 0.5) / (high * 1.1), 0, 1)[:, None]
    colour = plane(body) + (plane(foot_colour) - plane(body)) * f32(share)[None]
    return Strip(stage, alpha, f32(colour), top, depth)


def trunks(stage: Stage, *, depth: float = 1.0) -> Strip:
    """A few trunks right in front of the eye, out of focus, as a frame for the picture."""
    rng = stage.rng("trunks")
    wide = stage.width + stage.overscan(depth)

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        for share in (rng.uniform(-0.02, 0.1), rng.uniform(0.84, 0.98), rng.uniform(0.98, 1.1)):
            x, half = share * wide * scale, stage.width * rng.uniform(0.014, 0.032) * scale
            lean = rng.uniform(-0.03, 0.03) * wide * scale
            foot = stage.height * scale
            outline = [(x - half + lean, 0), (x + half + lean, 0), (x + half * 1.5, foot)]
            surface.polygon([*outline, (x - half * 1.6, foot)], fill=255)
            for _ in range(16):
                _bough(surface, rng, (x + lean * 0.5, rng.uniform(-0.1, 0.45) * foot), half * 7)

    alpha = drawn(wide, stage.height, draw, blur=2.2 * stage.unit)
    ink = plane(mix(stage.palette.ink, stage.palette.near, 0.15))
    return Strip(stage, alpha, f32(np.broadcast_to(ink, (3, stage.height, 1))), 0, depth)


def _bough(surface: ImageDraw.ImageDraw, rng: np.random.Generator, at: Point, long: float) -> None:
    """A drooping branch with twigs hanging from it."""
    way = float(rng.choice([-1, 1])) * long * float(rng.uniform(0.5, 1.1))
    for step in range(14):
        share = step / 13
        x, y = at[0] + way * share, at[1] + long * 0.35 * share**2
        hang = long * 0.2 * (1.1 - share) * float(rng.uniform(0.5, 1.2))
        half = long * 0.035
        surface.polygon([(x - half, y), (x + half, y), (x + way * 0.08, y + hang)], fill=255)
        surface.ellipse((x - half, y - half * 0.5, x + half, y + half * 0.5), fill=255)


class Flowers:
    """Flowers on stems, small and many far off, large in front, each swaying on its own."""

    STEPS = 9  # pictures of one flower from its left to its right

    def __init__(self, stage: Stage, colours: list[Colour], count: int = 230) -> None:
        rng = stage.rng("flowers")
        self._stage = stage
        self._kinds = [self._pictures(stage, rng, colour, size) for colour, size in _kinds(colours)]
        self._sizes = [size * stage.unit for _, size in _kinds(colours)]
        near = np.sort(rng.random(count) ** 1.6)
        self._near = near
        self._x = rng.uniform(-0.05, 1.08, count) * (stage.width + abs(stage.pan))
        self._y = np.rint(stage.horizon + (0.1 + 0.95 * near) * (stage.height - stage.horizon))
        self._kind = np.clip(near * 3.999, 0, 3).astype(int) * len(colours)
        self._kind += rng.integers(0, len(colours), count)
        self._phase = rng.uniform(0, 6.28, count) * 0.25 + self._x / stage.width * 5

    def _pictures(
        self, stage: Stage, rng: np.random.Generator, colour: Colour, size: float
    ) -> list[Sprite]:
        side = int(size * stage.unit * 3.2) + 6
        shape = float(rng.uniform(0.3, 0.5))
        petals = int(rng.integers(5, 9))
        stem = mix(stage.palette.near, (0.2, 0.42, 0.14), 0.35)
        return [
            _flower(side, size * stage.unit, colour, stem, petals, shape, step / 4 - 1)
            for step in range(self.STEPS)
        ]

    def paint(self, canvas: F32, time: float) -> None:
        """Stamps far flowers first."""
        stage = self._stage
        sway = np.sin(time * 1.7 + self._phase) * 0.7 + np.sin(time * 2.9 + self._phase * 2) * 0.3
        step = np.clip((sway + 1) * 4, 0, self.STEPS - 1)
        for i in range(len(self._x)):
            near = float(self._near[i])
            x = float(self._x[i]) - stage.travel(0.3 + 0.6 * near, time)
            picture = self._kinds[self._kind[i]][round(float(step[i]))]
            side = self._sizes[self._kind[i]] * 1.6
            picture.stamp(canvas, x - side, float(self._y[i]) - round(side))


def _kinds(colours: list[Colour]) -> list[tuple[Colour, float]]:
    return [(colour, size) for size in (3.6, 8.0, 14.0, 25.0) for colour in colours]


def _flower(
    side: int, size: float, colour: Colour, stem: Colour, petals: int, shape: float, sway: float
) -> Sprite:
    """One flower bent by `sway` (-1..1); its head is near the middle of a square of `side`."""
    head = (side / 2 + sway * size * 0.22, side * 0.3)

    def stalk(surface: ImageDraw.ImageDraw, scale: float) -> None:
        bend = [(side / 2, float(side)), (side / 2, side * 0.65), head]
        points = [(x * scale, y * scale) for x, y in bend]
        surface.line(points, fill=255, width=max(1, int(size * 0.1 * scale)))

    def disc(middle: Point, radius: float) -> F32:
        def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
            x, y, r = middle[0] * scale, middle[1] * scale, radius * scale
            surface.ellipse((x - r, y - r * 0.85, x + r, y + r * 0.85), fill=255)

        return drawn(side, side, draw)

    bloom = np.zeros((side, side), np.float32)
    shade = np.zeros((side, side), np.float32)
    for petal in range(petals):
        turn = 2 * np.pi * petal / petals + sway * 0.1
        middle = (head[0] + np.cos(turn) * size * 0.36, head[1] + np.sin(turn) * size * 0.28)
        one = disc(middle, size * shape * 0.62)
        shade = np.maximum(shade * (1 - one), one * (0.72 + 0.28 * (petal % 3) / 2))
        bloom = np.maximum(bloom, one)
    heart = disc(head, size * 0.17)
    green = drawn(side, side, stalk)
    alpha = np.maximum(np.maximum(bloom, heart), green)
    out = plane(stem) * green
    out = out + (plane(colour) * shade - out) * bloom
    out = out + (plane(mix(colour, (0.95, 0.75, 0.2), 0.8)) - out) * heart
    return Sprite(f32(out / np.maximum(alpha, 1e-3)), alpha)


def grass(stage: Stage, colour: Colour, *, top: float, high: float, depth: float) -> Strip:
    """Blades of grass along the row `top`, `high` pixels tall, dark at the foot."""
    rng = stage.rng(f"grass{depth}")
    wide = stage.width + stage.overscan(depth)
    start = int(top - high * 1.3)
    rows = max(4, stage.height - start)

    def draw(surface: ImageDraw.ImageDraw, scale: float) -> None:
        for _ in range(int(wide / max(1.2, high * 0.05))):
            x, tall = rng.uniform(0, wide), high * rng.uniform(0.35, 1.25)
            lean, half = tall * rng.uniform(-0.4, 0.4), max(0.5, high * 0.028)
            foot = top - start + high * 0.3
            tip = (x + lean, foot - tall)
            bend = (x + lean * 0.25, foot - tall * 0.55)
            blade = [(x - half, foot), (bend[0] - half, bend[1]), tip]
            blade += [(bend[0] + half, bend[1]), (x + half, foot)]
            surface.polygon([(a * scale, b * scale) for a, b in blade], fill=255)
        surface.rectangle((0, (top - start) * scale, wide * scale, rows * scale), fill=255)

    alpha = drawn(wide, rows, draw)
    share = np.clip(np.arange(rows) / (high * 2.2), 0, 1)[:, None]
    foot = plane(mix(colour, stage.palette.ink, 0.8))
    return Strip(stage, alpha, f32(plane(colour) + (foot - plane(colour)) * share), start, depth)
