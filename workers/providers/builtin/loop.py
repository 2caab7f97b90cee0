"""A film that goes on from its last frame to its first."""

import numpy as np

from workers.providers.builtin.noise import F32
from workers.providers.builtin.stage import Layer

#: Seconds, and share of the film, in which a loop goes over into its own beginning.
_SECONDS, _SHARE = 1.0, 1 / 3


def overlap_of(seconds: float) -> float:
    """Seconds beyond the film for which the scene of a loop is needed."""
    return min(_SECONDS, seconds * _SHARE)


class Loop:
    """A scene that begins again after `seconds`, for a camera that stands still.

    Whatever moves in the scene goes on at the seam: the film begins a little after the scene does,
    and before its end it fades over to what came before its beginning.
    """

    def __init__(self, scene: Layer, seconds: float) -> None:
        self._scene = scene
        self._overlap = overlap_of(seconds)
        self._fade_from = seconds - self._overlap
        self._before = np.empty(0, np.float32)

    def paint(self, canvas: F32, time: float) -> None:
        """Replaces the whole canvas."""
        self._scene.paint(canvas, time + self._overlap)
        if (before := time - self._fade_from) <= 0:
            return
        if self._before.shape != canvas.shape:
            self._before = np.zeros_like(canvas)
        self._scene.paint(self._before, before)
        share = before / self._overlap
        self._before -= canvas
        self._before *= np.float32(share * share * (3 - 2 * share))
        canvas += self._before
