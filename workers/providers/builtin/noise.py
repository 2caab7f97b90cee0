"""Smooth random fields, always from a given generator so that a seed names its picture."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

F32 = npt.NDArray[np.float32]


def f32(values: Any) -> F32:
    """The values as a float32 array."""
    return np.asarray(values, dtype=np.float32)


def stream(*parts: object) -> np.random.Generator:
    """A generator of its own for these parts: equal parts give equal numbers, on any machine."""
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2s(text.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def lattice(rng: np.random.Generator, size: tuple[int, int], cells: tuple[float, float]) -> F32:
    """One octave of value noise of `size` (rows, columns) with about `cells` cells, 0..1.

    It goes on seamlessly over its edges.
    """
    rows = 1 if size[0] == 1 else max(2, round(cells[0]))
    cols = 1 if size[1] == 1 else max(2, round(cells[1]))
    grid = np.pad(rng.random((rows, cols), dtype=np.float32), 3, mode="wrap")
    picture = Image.fromarray(grid)
    box = (3, 3, 3 + cols, 3 + rows)
    resized = picture.resize((size[1], size[0]), Image.Resampling.BICUBIC, box=box)
    return f32(resized)


def fbm(
    rng: np.random.Generator,
    size: tuple[int, int],
    cells: tuple[float, float],
    octaves: int = 5,
    gain: float = 0.5,
) -> F32:
    """Fractal noise of `size`, spread to 0..1; `cells` counts the coarsest octave's cells."""
    total = np.zeros(size, np.float32)
    weight = 1.0
    for octave in range(octaves):
        scale = 2.0**octave
        step = (cells[0] * scale, cells[1] * scale)
        if octave and (step[0] > 2 * size[0] or step[1] > 2 * size[1]):
            break
        total += weight * lattice(rng, size, step)
        weight *= gain
    low, high = float(total.min()), float(total.max())
    return f32((total - low) / max(1e-6, high - low))


def fbm_line(rng: np.random.Generator, length: int, cells: float, octaves: int = 6) -> F32:
    """Fractal noise along one line, 0..1."""
    return f32(fbm(rng, (1, length), (1, cells), octaves)[0])


def smoothstep(low: float, high: float, values: Any) -> F32:
    """0 below `low`, 1 above `high`, an even curve between."""
    x = np.clip((values - low) / (high - low), 0.0, 1.0)
    return f32(x * x * (3.0 - 2.0 * x))


def sample(field: F32, rows: Any, cols: Any) -> F32:
    """`field` read between its points at (rows, cols), which wrap around.

    Both sides of `field` are powers of two.
    """
    high, wide = field.shape
    rows, cols = np.broadcast_arrays(f32(rows), f32(cols))
    whole_r, whole_c = np.floor(rows), np.floor(cols)
    part_r, part_c = rows - whole_r, cols - whole_c
    r0 = whole_r.astype(np.int32) & np.int32(high - 1)
    c0 = whole_c.astype(np.int32) & np.int32(wide - 1)
    c1 = (c0 + 1) & np.int32(wide - 1)
    flat = field.reshape(-1)
    up, down = r0 * np.int32(wide), ((r0 + 1) & np.int32(high - 1)) * np.int32(wide)
    top = np.take(flat, up + c0)
    top += (np.take(flat, up + c1) - top) * part_c
    low = np.take(flat, down + c0)
    low += (np.take(flat, down + c1) - low) * part_c
    top += (low - top) * part_r
    return f32(top)


def drift(field: F32, offset: float, width: int, out: F32) -> F32:
    """`field[..., offset : offset + width]` for an offset between columns, written to `out`."""
    whole = min(max(0, int(offset)), field.shape[-1] - width - 1)
    part = np.float32(min(1.0, max(0.0, offset - whole)))
    np.subtract(field[..., whole + 1 : whole + 1 + width], field[..., whole : whole + width], out)
    np.multiply(out, part, out)
    np.add(out, field[..., whole : whole + width], out)
    return out


def doubled(small: F32, out: F32) -> None:
    """`small` spread over `out`, which is twice as large (or one less), with soft steps."""
    rows, cols = out.shape
    tall = np.empty((2 * small.shape[0], small.shape[1]), np.float32)
    _double(small, tall)
    wide = np.empty((2 * small.shape[1], rows), np.float32)
    _double(tall[:rows].T, wide)
    np.copyto(out, wide[:cols].T)


def _double(small: F32, out: F32) -> None:
    """Each row twice, moved a quarter of a step towards its neighbours."""
    before = np.concatenate([small[:1], small[:-1]])
    after = np.concatenate([small[1:], small[-1:]])
    np.add(small * np.float32(0.75), before * np.float32(0.25), out=out[0::2])
    np.add(small * np.float32(0.75), after * np.float32(0.25), out=out[1::2])
