"""Sizes of images: "WxH" in pixels, or a name like "2K" that some models take."""

import math
import re

from core.catalog.ability import Ability
from server.validation.problems import Problems

_PIXELS = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_NAME = re.compile(r"[1-9][0-9]?K")


def image_size(
    problems: Problems, field: str, size: str, ratio: str, ability: Ability, *, ratio_given: bool
) -> tuple[str, str]:
    """The ratio and the size of an image: each follows from the other where it was not given."""
    if not size:
        return ratio, _from_ratio(ratio, ability)
    pixels = _PIXELS.fullmatch(size)
    if not pixels:
        if not _NAME.fullmatch(size):
            problems.wrong(field, 'must be a size such as "1024x1024" or "2K"')
        elif size not in ability.resolutions:
            problems.unsupported(field, _supported(ability))
        return ratio, size
    width, height = int(pixels[1]), int(pixels[2])
    if not _fits(width, height, size, ability):
        problems.unsupported(field, _supported(ability))
    if not ratio_given:
        divisor = math.gcd(width, height)
        return f"{width // divisor}:{height // divisor}", size
    if not _agrees(width, height, ratio):
        problems.wrong(field, f"must have the aspect_ratio {ratio}; give only one of the two")
    return ratio, size


def _from_ratio(ratio: str, ability: Ability) -> str:
    """As large as the model's first size on the longer side; of fixed sizes the first that has
    the ratio."""
    first = _PIXELS.fullmatch(ability.resolutions[0])
    if not first:
        return ability.resolutions[0]
    if not ability.max_side:
        fixed = (size for size in ability.resolutions if _has(size, ratio))
        return next(fixed, ability.resolutions[0])
    longest = max(int(first[1]), int(first[2]))
    width, height = (int(part) for part in ratio.split(":"))
    scale = longest / max(width, height)
    return f"{max(1, round(width * scale))}x{max(1, round(height * scale))}"


def _fits(width: int, height: int, size: str, ability: Ability) -> bool:
    if not ability.max_side:
        return size in ability.resolutions
    return all(ability.min_side <= side <= ability.max_side for side in (width, height))


def _has(size: str, ratio: str) -> bool:
    pixels = _PIXELS.fullmatch(size)
    return pixels is not None and _agrees(int(pixels[1]), int(pixels[2]), ratio)


def _agrees(width: int, height: int, ratio: str) -> bool:
    """Whether the size has the ratio, up to rounding by less than a pixel."""
    across, down = (int(part) for part in ratio.split(":"))
    return abs(width * down - height * across) < max(across, down)


def _supported(ability: Ability) -> str:
    if not ability.max_side:
        return ", ".join(ability.resolutions)
    return f"sides of {ability.min_side} to {ability.max_side} pixels"
