"""The last step of a frame: style treatment, vignette, grain, and light to 8 bits."""

import numpy as np
import numpy.typing as npt

from workers.providers.builtin.noise import F32, f32, fbm, smoothstep, stream

U8 = npt.NDArray[np.uint8]

#: Standard deviation of the grain in steps of 8 bits; it also hides the steps of soft gradients.
GRAIN = 1.1


class Finish:
    """Finishes canvases of one size in one style."""

    def __init__(
        self, width: int, height: int, style: str, seed: int, *, vignette: bool = True
    ) -> None:
        rng = stream("finish", seed, style)
        self._style = style
        depth = 0.1 if style in _LIGHT else 0.3
        self._shape = _vignette(width, height, depth if vignette else 0.0)
        grain = GRAIN * (3.0 if style in ("noir", "vintage") else 1.0)
        self._grain = f32(rng.normal(0.5, grain, (height + 64, width + 64)))
        self._steps = rng.integers(0, 64, (997, 2))
        self._gray = np.empty((height, width), np.float32)
        self._bytes = np.empty((3, height, width), np.float32)
        self._paper = _paper(rng, width, height) if style == "watercolour" else None

    def apply(self, canvas: F32, number: int) -> F32:
        """The canvas as values of 0..255, still as floats; `number` moves the grain."""
        self._treat(canvas)
        np.multiply(canvas, self._shape, out=self._bytes)
        y, x = self._steps[number % len(self._steps)]
        height, width = self._gray.shape
        self._bytes += self._grain[y : y + height, x : x + width]
        return np.clip(self._bytes, 0, 255, out=self._bytes)

    def _treat(self, canvas: F32) -> None:
        if self._style == "noir":
            gray = _luma(canvas, self._gray)
            np.clip(gray, 0, 1, out=gray)
            gray *= gray * (np.float32(2.35) - np.float32(1.35) * gray)
            canvas[:] = gray
        elif self._style == "vintage":
            gray = _luma(canvas, self._gray)
            for plane, tone in zip(canvas, (1.06, 0.93, 0.72), strict=True):
                plane *= np.float32(0.42)
                plane += gray * np.float32(0.56 * tone)
                plane += np.float32(0.035)
        elif self._paper is not None:
            pigment, sheet, border = self._paper
            canvas *= pigment
            np.clip(canvas, 0, 1, out=canvas)
            canvas += (sheet - canvas) * border


_LIGHT = frozenset({"watercolour", "pastel", "minimal"})


def _luma(canvas: F32, out: F32) -> F32:
    np.multiply(canvas[1], np.float32(0.7152), out=out)
    out += canvas[0] * np.float32(0.2126)
    out += canvas[2] * np.float32(0.0722)
    return out


def _vignette(width: int, height: int, depth: float) -> F32:
    """255 in the middle, darker by `depth` in the corners."""
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    cols = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    far = (rows**2 + cols**2) / 2
    return f32(255 * (1 - depth * far**1.4))


def _paper(rng: np.random.Generator, width: int, height: int) -> tuple[F32, F32, F32]:
    """Pigment (multiplies), the sheet's colour, and where the unpainted border shows."""
    aspect = width / height
    wash = fbm(rng, (height, width), (5, 5 * aspect), 5)
    tooth = fbm(rng, (height, width), (height / 3, width / 3), 2)
    bloom = fbm(rng, (height, width), (7, 7 * aspect), 3)
    pigment = f32(0.86 + 0.3 * wash + 0.13 * (tooth - 0.5) - 0.045 * smoothstep(0.5, 0.53, bloom))
    rows = np.minimum(np.arange(height), np.arange(height)[::-1])[:, None] / min(width, height)
    cols = np.minimum(np.arange(width), np.arange(width)[::-1])[None, :] / min(width, height)
    inside = np.minimum(rows, cols) + (fbm(rng, (height, width), (14, 14 * aspect), 4) - 0.5) * 0.05
    border = 1 - smoothstep(0.035, 0.05, inside)
    # Pigment gathers where a wash dries.
    pigment = f32(pigment - 0.22 * np.exp(-(((inside - 0.056) / 0.008) ** 2)))
    tone = 0.965 + 0.05 * (tooth - 0.5)
    sheet = f32(tone[None] * f32((1.0, 0.985, 0.955)).reshape(3, 1, 1))
    return pigment, sheet, border
