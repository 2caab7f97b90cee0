"""Reading the metrics of this process, in which all tests of a run count."""

from collections.abc import Callable

from core.process.metrics import REGISTRY


def sample(name: str, **labels: str) -> float:
    """The value of one series now; 0 for one that is not there."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def growth(name: str, **labels: str) -> Callable[[], float]:
    """Tells by how much a series has grown since now."""
    before = sample(name, **labels)
    return lambda: sample(name, **labels) - before
