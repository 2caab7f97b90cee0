"""Plots of figures, as PNG and SVG in docs/images/bench. `make bench-setup` installs what draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness.results import Figures, Spread

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "bench"
INCHES_PER_CELL, LEAST_INCHES, HIGH_INCHES = 1.6, 5.0, 3.6
COLOURS = ("#2457a7", "#b8bcc4", "#d97a28", "#4c9a57", "#8a5fb0", "#a8423f", "#3f9ea8")


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars of one metric: a group for each cell, a bar for each system, a line for the range."""

    metric: str
    title: str
    unit: str
    cells: Sequence[str] = ()  # none: all that have the metric
    logarithmic: bool = False


def draw(figures: Figures, plot: Plot) -> str:
    """Draws it and returns the Markdown that shows it; without matplotlib what is drawn stays."""
    name = f"{figures.name}-{plot.metric}".replace("_", "-")
    link = f"[![{plot.title}](images/bench/{name}.svg)](images/bench/{name}.png)"
    try:
        import matplotlib
    except ModuleNotFoundError:
        print(f"{name}: not drawn, because matplotlib is missing: make bench-setup")
        return link
    matplotlib.use("agg")
    # The same figures give the same bytes.
    matplotlib.rcParams["svg.hashsalt"] = name
    FOLDER.mkdir(parents=True, exist_ok=True)
    drawing = _bars(figures, plot)
    drawing.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    drawing.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})
    return link


def _bars(figures: Figures, plot: Plot) -> Any:
    from matplotlib.figure import Figure

    rows = [row for row in figures.rows if plot.metric in row.values]
    rows = [row for row in rows if not plot.cells or row.cell in plot.cells]
    cells = list(dict.fromkeys(row.cell for row in rows))
    systems = list(dict.fromkeys(row.system for row in rows))
    wide = max(LEAST_INCHES, INCHES_PER_CELL * len(cells))
    drawing = Figure(figsize=(wide, HIGH_INCHES), layout="constrained")
    axes = drawing.add_subplot()
    width = 0.8 / len(systems)
    for place, system in enumerate(systems):
        found = {row.cell: row[plot.metric] for row in rows if row.system == system}
        at = [cells.index(cell) + (place - (len(systems) - 1) / 2) * width for cell in found]
        _bar(axes, at, list(found.values()), width, system, COLOURS[place % len(COLOURS)])
    axes.set_xticks(range(len(cells)), [cell.replace("-", "\n", 1) for cell in cells], fontsize=8)
    axes.set_ylabel(plot.unit)
    axes.set_title(plot.title, fontsize=10)
    axes.set_yscale("log" if plot.logarithmic else "linear")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    return drawing


def _bar(
    axes: Any, at: list[float], spreads: list[Spread], width: float, label: str, colour: str
) -> None:
    medians = [spread.median for spread in spreads]
    below = [spread.median - spread.low for spread in spreads]
    above = [spread.high - spread.median for spread in spreads]
    axes.bar(
        at,
        medians,
        width * 0.92,
        yerr=[below, above],
        label=label,
        color=colour,
        error_kw={"elinewidth": 0.8, "ecolor": "#444444"},
    )
