"""Water: a sum of waves in perspective that mirrors whatever was painted above the horizon."""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.providers.builtin.noise import F32, drift, f32, fbm
from workers.providers.builtin.palette import plane
from workers.providers.builtin.stage import Stage

GRAVITY = 9.81

#: Height of the eye over the water, in metres.
EYE = 2.3

#: How far a slope sideways moves what is mirrored. 2 by the law of mirrors; more makes the path
#: of light under a low sun as broad as it looks in nature, where waves are steeper.
SCATTER = 3.6

#: Wave parts whose amplitude falls below this share in a band are left out there.
NEGLIGIBLE = 0.03


class Water:
    """Water from the horizon down.

    `rough` is the mean slope: 0.02 is a lake at dawn, 0.1 a calm sea, 0.25 a storm.
    Each wave is split into a fixed cosine and sine field, so that a frame costs one matrix
    product for height and both slopes instead of a sine for each pixel and wave.
    """

    def __init__(self, stage: Stage, rough: float, *, waves: int = 18, murk: float = 1.0) -> None:
        self._stage = stage
        self._top = stage.horizon
        self._rows = stage.height - self._top
        rng = stage.rng("water")
        short, long = (0.35, 6.0 + 60 * max(0.0, rough - 0.05)) if rough > 0.05 else (0.25, 2.2)
        self._waves = _Waves(rng, rough, waves, short, long)
        focal = np.float32(stage.height * 1.05)
        self._focal = focal
        self._down = f32((np.arange(self._rows) + 0.7) / focal)[:, None]
        self._across = f32((np.arange(stage.width) - stage.width / 2) / focal)[None, :]
        self._bands = _bands(self._waves, self._down, float(focal), stage.width)
        self._col = np.arange(stage.width, dtype=np.float32)[None, :]
        self._shimmer = _Shimmer(rng, stage, self._down, rough)
        self._deep = plane(stage.palette.deep) * np.float32(murk)
        self._lift = (plane(stage.palette.shallow) - self._deep) * np.float32(0.55)
        self._foam = max(0.0, stage.description.energy - 1.2) if rough > 0.05 else 0.0
        size = (self._rows, stage.width)
        self._moved = np.empty((3, *size), np.float32)
        self._seen = np.empty((3, *size), np.float32)
        self._a, self._b = np.empty(size, np.float32), np.empty(size, np.float32)
        self._place = np.empty(size, np.int32)

    def paint(self, canvas: F32, time: float) -> None:
        """Replaces everything below the horizon."""
        height, slope_x, slope_z = self._surface(time)
        self._mirror(canvas, slope_x, slope_z)
        # Fresnel: a facet seen edge-on mirrors, one seen from above shows the water's body.
        look, body = self._a, self._b
        np.add(slope_z, self._down, out=look)
        np.clip(look, 0.0, 1.0, out=look)
        np.subtract(np.float32(1), look, out=look)
        np.multiply(look, look, out=body)
        np.multiply(body, body, out=body)
        look *= body
        look *= np.float32(0.95)
        look += np.float32(0.03)
        np.multiply(height, np.float32(self._waves.steepness), out=body)
        body += np.float32(0.45)
        np.clip(body, 0, 1, out=body)
        water = canvas[:, self._top :]
        np.multiply(self._lift, body, out=water)
        water += self._deep
        self._seen -= water
        self._seen *= look
        water += self._seen
        if self._foam:
            self._crests(water, height, time)

    def _surface(self, time: float) -> tuple[F32, F32, F32]:
        coefficients = self._waves.at(time)
        for band in self._bands:
            band.fill(coefficients, self._moved)
        height, slope_x, slope_z = self._moved
        self._shimmer.add(slope_x, slope_z, time)
        return height, slope_x, slope_z

    def _mirror(self, canvas: F32, slope_x: F32, slope_z: F32) -> None:
        """Reads the sky that each facet mirrors into `_seen`."""
        up, side = self._a, self._b
        np.multiply(slope_x, self._across, out=up)
        slope_z += up
        np.multiply(slope_z, np.float32(2), out=up)
        up += self._down
        np.add(slope_z, self._down, out=side)
        side *= slope_x
        side *= np.float32(SCATTER) * self._focal
        side += self._col
        np.clip(side, 0, self._stage.width - 1, out=side)
        np.abs(up, out=up)
        up *= -self._focal
        up += np.float32(self._top - 1)
        np.clip(up, 0, self._top - 1, out=up)
        np.rint(up, out=up)
        up *= np.float32(self._stage.width)
        up += np.rint(side, out=side)
        np.copyto(self._place, up, casting="unsafe")
        for i in range(3):
            np.take(canvas[i].reshape(-1), self._place, out=self._seen[i], mode="clip")

    def _crests(self, water: F32, height: F32, time: float) -> None:
        foam = self._a
        np.multiply(height, np.float32(self._waves.steepness * 1.5), out=foam)
        foam -= np.float32(0.3)
        foam += self._shimmer.last * np.float32(4)
        np.clip(foam, 0, 1, out=foam)
        foam *= np.float32(min(0.8, 0.6 * self._foam))
        water += (plane(self._stage.palette.cloud_light) - water) * foam


class _Waves:
    """Directions, lengths and speeds of the waves."""

    def __init__(
        self, rng: np.random.Generator, rough: float, count: int, short: float, long: float
    ) -> None:
        length = short * (long / short) ** ((np.arange(count) + rng.random(count)) / count)
        wind = rng.uniform(-0.35, 0.35)
        angle = wind + rng.normal(0, 0.5, count)
        self.k = 2 * np.pi / length
        self.kx, self.kz = self.k * np.sin(angle), self.k * np.cos(angle)
        self.phase = rng.uniform(0, 2 * np.pi, count)
        self._speed = np.sqrt(GRAVITY * self.k) * 0.8
        slope = rough * np.sqrt(2 / count) * rng.uniform(0.7, 1.3, count)
        self._height = slope / self.k
        #: 1 over the usual height, to turn heights into shares.
        self.steepness = float(0.35 / np.sqrt(np.sum(self._height**2) / 2))

    def at(self, time: float) -> F32:
        """(3, 2 n): what the fixed cosine and sine fields weigh in height, x and z slope."""
        turn = self._speed * time
        cos, sin = self._height * np.cos(turn), self._height * np.sin(turn)
        rows = [
            np.concatenate([cos, -sin]),
            np.concatenate([-sin * self.kx, -cos * self.kx]),
            np.concatenate([-sin * self.kz, -cos * self.kz]),
        ]
        return f32(rows)


@dataclass(frozen=True, slots=True)
class _Band:
    """Some rows, the waves that a pixel there can still show, and their cosine and sine fields.

    Near the eye waves are broad: there the fields hold every second or fourth column only.
    """

    rows: slice
    parts: npt.NDArray[np.int64]  # columns of the coefficients
    basis: F32  # (parts, rows * columns kept)
    step: int

    def fill(self, coefficients: F32, out: F32) -> None:
        """Writes height and both slopes of these rows to `out`: (3, all rows, all columns)."""
        target = out[:, self.rows]
        moved = np.matmul(coefficients[:, self.parts], self.basis).reshape(3, target.shape[1], -1)
        if self.step == 1:
            target[:] = moved
            return
        rise = np.diff(moved, axis=2)
        for column in range(self.step):
            line = target[:, :, column :: self.step]
            count = line.shape[2]
            np.multiply(rise[:, :, :count], np.float32(column / self.step), out=line)
            line += moved[:, :, :count]


def _bands(waves: _Waves, down: F32, focal: float, width: int) -> list[_Band]:
    """All rows from far to near, in bands."""
    rows, count = down.shape[0], len(waves.k)
    cuts = sorted({0, *(int(rows * share) for share in (0.1, 0.22, 0.42, 0.7)), rows})
    bands = []
    for start, stop in itertools.pairwise(cuts):
        depth = EYE / down[start:stop]
        shortest = 2 * np.pi / waves.k.max() / depth[0, 0] * focal  # pixels
        step = 4 if shortest > 32 else 2 if shortest > 12 else 1
        across = (np.arange(0, width + step, step) - width / 2)[None, :] / focal
        blur_z, blur_x = EYE / down[start:stop] ** 2 / focal, depth / focal
        seen = np.exp(-((blur_z * waves.kz) ** 2 + (blur_x * waves.kx) ** 2) * 0.35)
        parts = np.flatnonzero(seen[-1] > NEGLIGIBLE)
        x, z = (across * depth)[..., None], depth[..., None]
        if step == 1:
            x = x[:, :width]
        angle = f32(waves.kx[parts] * x + waves.kz[parts] * z + waves.phase[parts])
        fade = f32(seen[:, None, parts])
        both = np.concatenate([np.cos(angle) * fade, np.sin(angle) * fade], axis=-1)
        basis = np.ascontiguousarray(both.reshape(x.size, 2 * len(parts)).T)
        columns = np.concatenate([parts, parts + count])
        bands.append(_Band(slice(start, stop), columns, basis, step))
    return bands


class _Shimmer:
    """Ripples too fine for the wave sum: two noise sheets that slide over each other."""

    def __init__(self, rng: np.random.Generator, stage: Stage, down: F32, rough: float) -> None:
        rows = stage.height - stage.horizon
        self._width = stage.width
        self._speed = stage.width * 0.02
        wide = stage.width + int(self._speed * stage.seconds) + 4
        cells = (rows / 1.6, wide / 9.0)
        self._one = fbm(rng, (rows, wide), cells, 2) - np.float32(0.5)
        self._two = fbm(rng, (rows, wide), (cells[0], cells[1] * 0.7), 2) - np.float32(0.5)
        # Far off nearly all of the waves are smaller than a pixel.
        self._strength = f32(rough * (0.35 + 1.1 * np.exp(-down / 0.07)))
        self.last = np.empty((rows, stage.width), np.float32)
        self._other = np.empty_like(self.last)
        self._end = self._speed * stage.seconds

    def add(self, slope_x: F32, slope_z: F32, time: float) -> None:
        """Adds the ripples to both slopes."""
        step = time * self._speed
        drift(self._one, step, self._width, self.last)
        drift(self._two, max(0.0, self._end - step), self._width, self._other)
        self.last += self._other
        self.last *= self._strength
        slope_z += self.last
        self._other *= self._strength
        slope_x += self._other
