"""Pictures of nothing: silk ribbons, poured colour and soft orbs."""

import numpy as np

from workers.providers.builtin.layers.sprite import Lights, glow
from workers.providers.builtin.noise import F32, doubled, f32, fbm, sample
from workers.providers.builtin.palette import Colour, mix, turned
from workers.providers.builtin.stage import Stage

#: Paint at this share of the canvas; folds of silk have no fine detail.
COARSE = 2

#: Side of the noise tile; large, so that no grain of it shows in the folds.
TILE = 1024


def tones(stage: Stage) -> list[Colour]:
    """Five colours from dark to light that go together."""
    rng = stage.rng("tones")
    sets = (
        "0b1026 2b2d77 a13d97 ff7a59 ffe3a3", "06141b 11505a 2fa38b c6e377 fff7d1",
        "120a24 3c1a5b b5307a ff8f6b ffe0c2", "071a2e 0f4c81 3fa7d6 a9e5ef fdf6e3",
        "1a0f0a 5b2a17 c5652c f2b866 fff1d6", "0d1321 1d2d44 5a7d9a c9ada7 f7ede2",
        "14080e 49123f 8f2d56 d8713f fbd87f", "04151f 183a37 6f8f72 efd6ac fff8ea",
    )  # fmt: skip
    row = sets[int(rng.integers(len(sets)))]
    colours = [_hex(text) for text in row.split()]
    if stage.description.colours or stage.description.style in ("neon", "pastel", "watercolour"):
        p = stage.palette
        bent = [p.ink, p.near, p.high, p.glow, p.sun]
        share = 0.85 if stage.description.colours or stage.description.style == "neon" else 0.4
        colours = [mix(a, b, share) for a, b in zip(colours, bent, strict=True)]
    turn = float(rng.uniform(-0.03, 0.03))
    return [turned(colour, turn, 1.0) for colour in colours]


def _hex(text: str) -> Colour:
    return int(text[0:2], 16) / 255, int(text[2:4], 16) / 255, int(text[4:6], 16) / 255


class Silk:
    """Folds of light that flow: noise bends the place where noise is read, twice."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng("silk")
        self._stage = stage
        rows, cols = (-(-side // (2 * COARSE)) for side in (stage.height, stage.width))
        half = (-(-stage.height // COARSE), -(-stage.width // COARSE))
        self._bend, self._place = np.empty(half, np.float32), np.empty(half, np.float32)
        scale = 0.66 * TILE / min(rows, cols)
        y, x = np.mgrid[0:rows, 0:cols].astype(np.float32) * np.float32(scale)
        turn = float(rng.uniform(0, np.pi))
        self._u = f32(x * np.cos(turn) + y * np.sin(turn))
        self._v = f32(y * np.cos(turn) - x * np.sin(turn))
        self._tile = fbm(rng, (TILE, TILE), (4, 4), 3, 0.4)
        self._kind = int(rng.integers(3))
        self._fold = float(rng.uniform(5.0, 8.0))
        self._ramp = _ramp(tones(stage))
        self._start = float(rng.uniform(0, 100))

    def paint(self, canvas: F32, time: float) -> None:
        """Replaces the whole canvas."""
        t = np.float32(self._start + time * 0.02 * TILE)
        u, v = self._u, self._v
        bend = sample(self._tile, v * 0.42 + t * 0.8, u * 0.3 + t)
        row, col = bend * np.float32(0.27 * TILE), bend * np.float32(0.23 * TILE)
        place = sample(self._tile, v * 0.5 + row - t * 0.6, u * 0.5 + col)
        doubled(bend, self._bend)
        doubled(place, self._place)
        level = self._folds(time)
        tilt = np.zeros_like(level)
        tilt[1:-1, 1:-1] = level[1:-1, :-2] - level[1:-1, 2:]
        tilt[1:-1, 1:-1] += level[:-2, 1:-1] - level[2:, 1:-1]
        tilt[:, [0, -1]] = tilt[:, [1, -2]]
        tilt[[0, -1]] = tilt[[1, -2]]
        index = np.clip(level * 1023, 0, 1023).astype(np.int32)
        shine = f32(1 + np.clip(tilt * 4.0, -0.5, 0.7))
        for i in range(3):
            doubled(np.take(self._ramp[i], index) * shine, canvas[i])

    def _folds(self, time: float) -> F32:
        """0..1 over the cloth, up and down once for each fold."""
        place, bend = self._place, self._bend
        if self._kind == 0:
            wave = np.sin((place * self._fold + bend * 2.0) * np.float32(np.pi))
        elif self._kind == 1:
            wave = np.sin((place * self._fold * 0.7 + bend * 3.0 + time * 0.1) * np.float32(np.pi))
            wave = np.abs(wave) * 1.6 - 0.8
        else:
            turn = (place * 1.1 + bend * 0.6) * self._fold % 2 - 1
            wave = turn * turn * (3 - 2 * np.abs(turn)) * 2 - 1
        return f32(np.clip((0.5 + 0.5 * wave) * 0.72 + place * 0.28, 0, 1))


def _ramp(colours: list[Colour]) -> F32:
    """1024 colours from dark to light, (3, 1024)."""
    places = np.linspace(0, 1, len(colours))
    line = np.linspace(0, 1, 1024)
    return f32([np.interp(line, places, [colour[i] for colour in colours]) for i in range(3)])


class Orbs:
    """Large soft lights out of focus that wander."""

    def __init__(self, stage: Stage, count: int = 16) -> None:
        rng = stage.rng("orbs")
        self._stage = stage
        choice = tones(stage)[2:]
        reach = min(stage.width, stage.height)
        self._lights = [
            Lights(glow(reach * float(rng.uniform(0.006, 0.05)), 5.0), f32(choice[i % 3]))
            for i in range(count)
        ]
        self._at = rng.random((count, 2))
        self._way = rng.normal(0, 0.02, (count, 2))
        self._shine = rng.uniform(0.04, 0.2, count)
        self._phase = rng.uniform(0, 6.28, count)

    def paint(self, canvas: F32, time: float) -> None:
        """Adds each light where it has wandered to."""
        for i, light in enumerate(self._lights):
            x, y = self._at[i] + self._way[i] * time
            shine = self._shine[i] * (0.8 + 0.2 * np.sin(self._phase[i] + time))
            light.add(canvas, float(x) * self._stage.width, float(y) * self._stage.height, shine)
