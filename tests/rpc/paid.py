"""Models that cost something, and one whose price nobody knows, on the built-in renderer."""

from pathlib import Path

_MODEL = """
[{name}]
provider = "builtin"
display_name = "{name}"
price_revision = "2026-11"

[{name}.video]
aspect_ratios = ["16:9"]
resolutions = ["360p"]
durations = {{ from = 1, to = 10 }}
default_duration = 5
max_output_count = 4
max_references = 0
fields = ["first_frame"]
qualities = ["{quality}"]
cancellable = true
{price}
"""
PRICE = 'prices = [{ micros_per_second = 100_000, text = "per second" }]'
# What the default five seconds of it cost, in micro-units.
COST = 500_000


def write_models(folder: Path) -> Path:
    """A catalog of `paid`, which is the default, and `unpriced`."""
    path = folder / "models.toml"
    path.write_text(
        _MODEL.format(name="paid", quality="STANDARD", price=PRICE)
        + _MODEL.format(name="unpriced", quality="HIGH", price="")
    )
    return path
