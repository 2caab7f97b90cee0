"""Colours of a scene, chosen by hour and seed and bent by the prompt's colour words."""

import colorsys
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workers.providers.builtin.noise import F32, f32

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Palette:
    """Named colours, each red, green, blue of 0..1."""

    zenith: Colour
    high: Colour
    low: Colour
    horizon: Colour
    glow: Colour  # halo around sun or moon
    sun: Colour
    cloud_light: Colour
    cloud_dark: Colour
    far: Colour  # land in the haze
    near: Colour  # land close by
    deep: Colour  # water seen from above
    shallow: Colour
    ink: Colour  # silhouettes in front

    def each(self, change: Callable[[Colour], Colour]) -> "Palette":
        """The palette with every colour changed."""
        names = [field.name for field in dataclasses.fields(self)]
        return Palette(**{name: change(getattr(self, name)) for name in names})


def parse(text: str) -> Colour:
    """The colour of six hex digits."""
    return int(text[0:2], 16) / 255, int(text[2:4], 16) / 255, int(text[4:6], 16) / 255


def plane(colour: Colour) -> F32:
    """The colour shaped (3, 1, 1), to spread over a canvas."""
    return f32(colour).reshape(3, 1, 1)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with a share of `other`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def luma(colour: Colour) -> float:
    """How bright the colour looks, 0..1."""
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


#: Palettes of each hour, their colours in the order of the fields.
_HOURS: dict[str, tuple[str, ...]] = {
    "day": (
        "2463ad 4f93d2 a5d0ec dfeef4 fff2d2 fffaea ffffff "
        "9db2c8 93b3c6 34603c 0a4a68 2aa09c 15231f",
        "1c5f9e 3f9ac9 8fd3e0 e6f3ea fff0c4 fff9e4 fffefa "
        "a9bccb 8fb9bd 4a6b35 07546e 3bb7a8 17241d",
        "3a6fae 7ba6d6 bcd3ea f1e9dd ffe9c2 fff6dd fffaf2 "
        "a3adc4 a2b4cc 3d5a4a 123f66 3a8fa0 171f28",
    ),
    "dawn": (
        "4a6aa8 9aa2cf f2bcb4 ffe3bd ffcf9a fff1d0 ffd9c9 "
        "8d8bb5 9f9cc0 39445c 1f4370 6f9fb5 1b1f33",
        "5b7fb5 b3b4d8 f6c9cf fff0d4 ffd8b8 fff4dc ffe4e0 "
        "9a9ac0 b0a8c6 46505f 2a4f7a 86aebb 202436",
    ),
    "sunset": (
        "2b2f63 8a4f80 f07f56 ffcf85 ffae55 fff0be ffac72 "
        "5e4170 86506f 2a1d38 10234a 3f6285 120c1b",
        "1f2a5c 6d4a8c e8788a ffc29c ff9d78 ffe6bd ff9f92 "
        "57447c 7a4f7e 241c3a 131f4c 4a5f92 100c1e",
        "35224f a33a4f f4683a ffc05a ff9038 ffe7a0 ff8f52 "
        "5a2c4a 8a3f48 2c1524 1c1a40 5a4a6a 14090f",
        "29406f 7c6f95 eeb07c ffe2a0 ffcb74 fff4cf ffcb94 "
        "7a6a86 94798a 33303a 123052 4f7a8c 15131c",
    ),
    "night": (
        "040817 0a1533 182d58 34527f 8fb0ea f6f2df 4a6390 "
        "0d1730 1c3156 060c1a 030a1c 173a5e 020409",
        "060518 140f38 2c2360 55407f b2a2f0 f7efe6 5c528f "
        "140f2e 2a2450 0a0819 060620 2a2f66 030208",
        "02090f 08212e 12404e 2f6f74 92dfd0 f0f5e4 3f7f86 "
        "081c26 123f48 04110f 02111a 12504f 010606",
    ),
    "storm": (
        "2a323c 465260 77838e a9b0b2 c9cfd0 e6e8e4 98a2a8 "
        "363f4a 5f6b74 252d2c 142b36 4a6a70 0d1114",
        "2b2f3a 4a4a58 7d7a80 b8aa98 d8c7a5 efe4cf a29a98 "
        "3a3844 68646a 2a2a28 18262f 55686a 100f12",
    ),
}

#: Colour words and the hue and saturation they ask for.
HUES: dict[str, tuple[float, float]] = {
    "red": (0.99, 0.85),
    "crimson": (0.97, 0.85),
    "orange": (0.07, 0.9),
    "golden": (0.115, 0.85),
    "yellow": (0.145, 0.9),
    "green": (0.36, 0.7),
    "emerald": (0.42, 0.75),
    "turquoise": (0.485, 0.75),
    "teal": (0.5, 0.7),
    "blue": (0.6, 0.8),
    "purple": (0.76, 0.7),
    "violet": (0.74, 0.7),
    "magenta": (0.86, 0.8),
    "pink": (0.93, 0.6),
    "brown": (0.07, 0.5),
    "black": (0.6, 0.05),
    "white": (0.6, 0.03),
    "grey": (0.6, 0.06),
    "silver": (0.58, 0.1),
}


def choose(hour: str, rng: np.random.Generator) -> Palette:
    """One palette of the hour, its hues moved a little by the generator."""
    rows = _HOURS[hour]
    row = rows[int(rng.integers(len(rows)))]
    turn = float(rng.uniform(-0.018, 0.018))
    rich = float(rng.uniform(0.94, 1.08))
    base = Palette(*(parse(text) for text in row.split()))
    return base.each(lambda colour: turned(colour, turn, rich))


def turned(colour: Colour, turn: float, rich: float) -> Colour:
    """The colour with its hue moved by `turn` of a circle and its saturation times `rich`."""
    hue, light, saturation = colorsys.rgb_to_hls(*colour)
    return colorsys.hls_to_rgb((hue + turn) % 1.0, light, min(1.0, saturation * rich))


def tinted(palette: Palette, words: tuple[str, ...]) -> Palette:
    """The palette bent towards the colours named; two words share dark and bright."""
    if not words:
        return palette
    first, last = HUES[words[0]], HUES[words[-1]]

    def bend(colour: Colour) -> Colour:
        hue, saturation = last if luma(colour) > 0.45 else first
        _, light, _ = colorsys.rgb_to_hls(*colour)
        shade = {"black": -0.1, "white": 0.12}.get(words[0], 0.0)
        light = min(1.0, max(0.0, light + shade))
        aim = colorsys.hls_to_rgb(hue, light, saturation)
        return mix(colour, aim, 0.62)

    return palette.each(bend)


def styled(palette: Palette, style: str) -> Palette:
    """The palette as a style word asks for; the finish does what colours alone can't."""
    if style == "pastel":
        return palette.each(lambda c: mix(turned(c, 0.0, 0.75), (1.0, 0.96, 0.95), 0.42))
    if style == "watercolour":
        return palette.each(lambda c: mix(turned(c, 0.0, 1.1), (0.98, 0.96, 0.92), 0.26))
    if style == "minimal":
        return palette.each(lambda c: mix(turned(c, 0.0, 0.8), (0.95, 0.93, 0.9), 0.14))
    if style == "neon":
        return palette.each(_neon)
    return palette


def _neon(colour: Colour) -> Colour:
    """Dark to deep violet, mid to magenta, bright to cyan."""
    stops = [parse(text) for text in ("06010f", "2a0a52", "b0128f", "ff3fb4", "4ff0ff", "e8fdff")]
    place = min(0.9999, luma(colour) ** 0.8) * (len(stops) - 1)
    left = int(place)
    return mix(stops[left], stops[left + 1], place - left)
