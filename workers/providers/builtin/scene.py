"""A scene: its layers, painted from back to front."""

from workers.providers.builtin.layers.sprite import Strip
from workers.providers.builtin.noise import F32
from workers.providers.builtin.places import falling, landscape
from workers.providers.builtin.stage import Stage


class Scene:
    """The layers of one picture or film; any moment of it can be painted at any time."""

    def __init__(self, stage: Stage) -> None:
        self._layers = [*landscape(stage), *falling(stage)]
        hidden = stage.height
        for layer in reversed(self._layers):
            if isinstance(layer, Strip):
                solid = layer.solid_from
                layer.cut(hidden)
                hidden = min(hidden, solid)

    def paint(self, canvas: F32, time: float) -> None:
        """Paints the moment `time` (seconds) over the whole canvas."""
        for layer in self._layers:
            layer.paint(canvas, time)
