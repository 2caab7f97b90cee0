"""Land: mountain ridges in the haze, dunes, and the ground in front."""

import numpy as np

from workers.providers.builtin.layers.sprite import Strip
from workers.providers.builtin.noise import F32, f32, fbm, fbm_line, sample, smoothstep
from workers.providers.builtin.palette import Colour, luma, mix, plane
from workers.providers.builtin.stage import Stage


def ridges(stage: Stage, *, count: int = 4, tall: float = 0.55, snow: float = 0.0) -> list[Strip]:
    """Mountain ridges from far to near; `tall` is the share of sky that the far one takes.

    `snow` is how far below the tops snow lies, as a share of a ridge's height.
    """
    return [_ridge(stage, i / max(1, count - 1), tall, snow, i) for i in range(count)]


def _ridge(stage: Stage, near: float, tall: float, snow: float, number: int) -> Strip:
    rng = stage.rng(f"ridge{number}")
    depth = 0.06 + 0.34 * near
    wide = stage.width + stage.overscan(depth)
    aspect = wide / stage.height
    line = 1 - np.abs(fbm_line(rng, wide, 2.0 * aspect * (1 + near * 0.6), 7) * 2 - 1)
    rolling = fbm_line(rng, wide, 1.4 * aspect, 6)
    share = 0.75 - 0.5 * near
    high = stage.horizon * tall * (1.0 - 0.68 * near)
    profile = stage.horizon - high * (0.25 + 0.75 * (line * share + rolling * (1 - share)))
    top = max(0, int(profile.min()) - 2)
    rows = max(4, stage.height - top)
    down = np.arange(top, top + rows, dtype=np.float32)[:, None] - f32(profile)[None, :]
    alpha = np.clip(down + 0.5, 0, 1)
    colour = _rock(stage, rng, down, high, near, snow)
    return Strip(stage, f32(alpha), colour, top, depth)


def _rock(
    stage: Stage, rng: np.random.Generator, down: F32, high: float, near: float, snow: float
) -> F32:
    """Colour of a ridge: facets lit from the sun's side, snow on top, haze at the foot."""
    wide = down.shape[1]
    tile = 1 - np.abs(fbm(rng, (512, 512), (5, 5), 6, 0.55) * 2 - 1)
    grid = 0.9 * 512 / stage.height
    x = np.arange(wide, dtype=np.float32)[None, :] * grid
    lean = sample(tile, down * grid * 0.5, x * 0.6) * 60
    face = sample(tile, down * grid * 0.55 + lean * 0.2, x + lean)
    side = 3.0 if stage.sun[0] < stage.width / 2 else -3.0
    light = np.clip(0.45 + (face - np.roll(face, int(side), axis=1)) * 5.5, 0, 1)
    colours = stage.palette
    body = mix(colours.far, colours.near, near**1.2)
    bright = mix(body, colours.glow, 0.34 * (1 - 0.6 * near) + 0.05)
    dark = mix(body, colours.zenith, 0.35 if luma(colours.zenith) < luma(body) else 0.0)
    out = plane(dark) + (plane(bright) - plane(dark)) * light
    if snow:
        cover = smoothstep(snow * high, snow * high * 0.35, down + (face - 0.5) * high * 0.5)
        white = plane(mix(colours.cloud_light, (1.0, 1.0, 1.0), 0.35))
        shade = plane(mix(colours.cloud_dark, colours.high, 0.35))
        out = out + (shade + (white - shade) * light - out) * cover
    haze = smoothstep(0.0, 1.25, down / max(1.0, high)) * (0.78 - 0.4 * near)
    return f32(out + (plane(mix(colours.horizon, colours.low, 0.25)) - out) * haze)


def ground(stage: Stage, colour: Colour, *, top: float, rough: float, depth: float) -> Strip:
    """The ground in front: a gently uneven edge at the share `top` of the height, dark below."""
    rng = stage.rng(f"ground{top:.2f}")
    wide = stage.width + stage.overscan(depth)
    profile = stage.height * (top + rough * (fbm_line(rng, wide, 3.5, 6) - 0.5))
    start = int(profile.min()) - 2
    rows = max(4, stage.height - start)
    down = np.arange(start, start + rows, dtype=np.float32)[:, None] - f32(profile)[None, :]
    tooth = fbm(rng, (rows, wide), (rows / 5, wide / 11), 4)
    fall = np.exp(-np.maximum(down, 0) / (0.16 * stage.height))
    light = fall * 0.55 + (tooth - 0.5) * 0.35
    dark = plane(mix(colour, stage.palette.ink, 0.65))
    out = dark + (plane(colour) - dark) * np.clip(light + 0.25, 0, 1.2)
    return Strip(stage, f32(np.clip(down + 0.5, 0, 1)), f32(out), start, depth)


def dunes(stage: Stage, count: int = 5) -> list[Strip]:
    """Sand dunes, each with a bright windward and a shaded lee side."""
    return [_dune(stage, i / (count - 1), i) for i in range(count)]


def _dune(stage: Stage, near: float, number: int) -> Strip:
    rng = stage.rng(f"dune{number}")
    depth = 0.06 + 0.5 * near
    wide = stage.width + stage.overscan(depth)
    cells = (3.4 - 1.9 * near) * wide / stage.height * 0.8
    wave = fbm_line(rng, wide, cells, 2)
    crest = 1 - np.abs(wave * 2 - 1) ** 1.25
    base = stage.horizon + (stage.height - stage.horizon) * near**1.5 * 0.72
    high = stage.height * (0.05 + 0.13 * near)
    profile = f32(base - high * (crest - 0.25))
    start = max(0, int(profile.min()) - 2)
    rows = max(4, stage.height - start)
    down = np.arange(start, start + rows, dtype=np.float32)[:, None] - profile[None, :]
    colour = _sand(stage, rng, down, f32(np.gradient(profile)), near)
    return Strip(stage, f32(np.clip(down + 0.5, 0, 1)), colour, start, depth)


def _sand(stage: Stage, rng: np.random.Generator, down: F32, slope: F32, near: float) -> F32:
    colours = stage.palette
    rows, wide = down.shape
    side = 1.0 if stage.sun[0] < stage.width / 2 else -1.0
    # The lee side begins at the crest and wanders as it falls.
    wander = fbm(rng, (rows, wide), (4, 5), 4) - 0.5
    reach = stage.height * (0.05 + 0.16 * near)
    cols = np.arange(wide)[None, :] + wander * np.clip(down, 0, None) * 2.2
    steep = np.clip(slope * side * 2.6, -1, 1)
    tilt = np.interp(cols, np.arange(wide), steep) * np.exp(-np.maximum(down, 0) / reach)
    ripple = np.sin(down * (1.5 - 0.8 * near) / max(0.5, stage.unit) + wander * 34)
    light = 0.5 + 0.42 * tilt + wander * 0.35 + ripple * 0.035 * near
    sand = mix((0.86, 0.6, 0.36), colours.glow, 0.45)
    bright = mix(mix(sand, colours.sun, 0.2), colours.horizon, 0.45 * (1 - near))
    shade = mix(mix(sand, colours.near, 0.72), colours.low, 0.6 * (1 - near))
    dim = 1.0 if stage.description.hour != "night" else 0.3
    out = plane(shade) + (plane(bright) - plane(shade)) * np.clip(light, 0, 1)
    return f32(out * dim * (1 - 0.35 * near * smoothstep(0, reach * 3, down)))
