"""Tables of figures in Markdown, also between their markers in the docs."""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness.machine import Machine
from bench.harness.results import Figures, Row, Run, Spread

DOCS = Path(__file__).parents[2] / "docs" / "performance.md"
LINE = 100
Cell = Callable[[Figures, Row], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, and what it says of a row."""

    title: str
    say: Cell


def metric(title: str, name: str, digits: int = 0, range: bool = True) -> Column:
    """A column of a metric: its median, and its range."""

    def say(_: Figures, row: Row) -> str:
        spread = row.values.get(name)
        return "" if spread is None else in_words(spread, digits, range)

    return Column(title, say)


def times(title: str, name: str, system: str = "floor") -> Column:
    """A column of a metric as a multiple of another system's."""

    def say(figures: Figures, row: Row) -> str:
        found = figures.ratio(row, system, name)
        return "" if found is None else f"{in_words(found, 2, True)} ×"

    return Column(title, say)


def in_words(spread: Spread, digits: int, range: bool) -> str:
    """The median, and the range in parentheses if there is one."""
    text = f"{spread.median:,.{digits}f}"
    low, high = f"{spread.low:,.{digits}f}", f"{spread.high:,.{digits}f}"
    return text if not range or low == high else f"{text} ({low} to {high})"


def table(figures: Figures, columns: Sequence[Column], rows: Sequence[Row] | None = None) -> str:
    """A Markdown table with a line for each row, and the columns that say something of one."""
    rows = figures.rows if rows is None else rows
    said = {column.title: [column.say(figures, row) for row in rows] for column in columns}
    said = {title: cells for title, cells in said.items() if any(cells)}
    lines = [["cell", "system", *said]]
    for place, row in enumerate(rows):
        lines.append([row.cell, row.system, *(cells[place] for cells in said.values())])
    text = ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join([text[0], "|" + "---|" * len(lines[0]), *text[1:]])


def provenance(rows: Sequence[Row]) -> str:
    """Where, with which versions, by which commands and when; and whether to believe each run."""
    runs: dict[str, Run] = {row.run.time: row.run for row in rows}
    said: dict[str, list[str]] = {}
    for run in runs.values():
        lines = said.setdefault(_place(run.machine), [])
        lines.append(_fill(f"- `{run.command}` at {run.time}: {run.calibration}.", "  "))
    return "\n\n".join(_fill(place) + "\n\n" + "\n".join(lines) for place, lines in said.items())


def _place(machine: Machine) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    cores = f"{machine.cores} cores ({machine.processor})"
    return f"Measured on {cores}, Linux {machine.kernel}, {versions}, by:"


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(text, LINE, subsequent_indent=indent, break_on_hyphens=False)


def include(name: str, text: str, path: Path = DOCS) -> None:
    """Puts the text between the markers `<!-- bench:NAME -->` and `<!-- end bench:NAME -->`.

    Raises:
        ValueError: when the page lacks them.
    """
    begin, end = f"<!-- bench:{name} -->", f"<!-- end bench:{name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page = path.read_text()
    if not pattern.search(page):
        raise ValueError(f"{path.name} has no markers for bench:{name}")
    path.write_text(pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page))
