"""Where a scene is painted: size, horizon, light, and the seeded generators of its parts."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from workers.providers.builtin import palette as palettes
from workers.providers.builtin.noise import F32, stream
from workers.providers.builtin.palette import Palette
from workers.providers.builtin.words import Description


class Layer(Protocol):
    """One part of a picture, painted over what lies behind it."""

    def paint(self, canvas: F32, time: float) -> None:
        """Paint the moment `time` (seconds) into `canvas`: (3, height, width), light of 0..1."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that the parts of one scene share."""

    description: Description
    seed: int
    width: int
    height: int
    seconds: float
    palette: Palette
    horizon: int  # row
    sun: tuple[float, float]  # column, row
    pan: float  # columns that the nearest layer travels in the whole film, signed
    unit: float = field(default=1.0)  # one 540th of the shorter side, in pixels

    @property
    def span(self) -> float:
        """The unit of lengths: the height, or nearly the width if that is less."""
        return min(self.height, self.width * 0.95)

    def rng(self, part: str) -> np.random.Generator:
        """The generator of one named part."""
        return stream(part, self.seed, self.description.key)

    def has(self, element: str) -> bool:
        """Whether the scene shows the element."""
        return element in self.description.elements

    def travel(self, depth: float, time: float) -> float:
        """Columns that a layer has moved at `time`; depth is 0 (far) .. 1 (near). Never negative.

        The camera eases in and out, so that a film neither starts nor ends with a jerk.
        """
        share = min(1.0, max(0.0, time / max(0.1, self.seconds)))
        eased = 0.35 * share + 0.65 * share * share * (3 - 2 * share)
        return abs(self.pan) * depth * (eased if self.pan > 0 else 1.0 - eased)

    def overscan(self, depth: float) -> int:
        """Extra columns that a layer of this depth needs for its travel."""
        return int(abs(self.pan) * depth) + 3


_HORIZONS = {
    "sea": (0.46, 0.56), "lake": (0.54, 0.6), "city": (0.66, 0.74), "mountain": (0.7, 0.8),
    "snow": (0.66, 0.74), "desert": (0.5, 0.6), "meadow": (0.52, 0.6), "forest": (0.7, 0.78),
    "fire": (0.72, 0.76), "sky": (0.98, 1.05),
}  # fmt: skip


def set_stage(
    description: Description, *, seed: int, size: tuple[int, int], seconds: float
) -> Stage:
    """The stage of a description for one seed; size is (width, height) of the canvas."""
    width, height = size
    rng = stream("stage", seed, description.key)
    low, high = _HORIZONS.get(description.place, (0.6, 0.6))
    horizon = int(height * rng.uniform(low, high))
    palette = palettes.choose(description.hour, stream("palette", seed, description.key))
    palette = palettes.tinted(palette, description.colours)
    palette = palettes.styled(palette, description.style)
    sun = (width * _off_centre(rng), horizon * _height_of_light(description, rng))
    side = -1.0 if rng.random() < 0.5 else 1.0
    return Stage(
        description=description,
        seed=seed,
        width=width,
        height=height,
        seconds=seconds,
        palette=palette,
        horizon=horizon,
        sun=sun,
        pan=side * width * 0.012 * seconds,
        unit=min(width, height) / 540,
    )


def _off_centre(rng: np.random.Generator) -> float:
    """A column near a third of the frame, now and then the middle."""
    return float(rng.choice([0.32, 0.36, 0.5, 0.64, 0.68]) + rng.uniform(-0.03, 0.03))


def _height_of_light(description: Description, rng: np.random.Generator) -> float:
    """Row of sun or moon as a share of the way from the top to the horizon."""
    if description.hour in ("sunset", "dawn"):
        over = {"sea": 0.84, "desert": 0.8, "lake": 0.56, "forest": 0.6, "sky": 0.7}
        return over.get(description.place, 0.6) + float(rng.uniform(-0.05, 0.05))
    return float(rng.uniform(0.2, 0.36))
