"""What the commands of benches share: options, the calibration, what is printed and kept."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from bench.harness import plots
from bench.harness.machine import calibrate, this_machine
from bench.harness.plots import Plot
from bench.harness.report import Column, include, provenance, table
from bench.harness.results import Figures, Row, Run, this_run


def options(doc: str | None, repetitions: int = 3) -> argparse.ArgumentParser:
    """The options that every bench has."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=repetitions)
    parser.add_argument(
        "--write", action="store_true", help="keep the figures in bench/results and docs"
    )
    return parser


def begin(**versions: str) -> Run:
    """Calibrates the machine and says how it is; `versions` are of what only this bench uses."""
    calibrated = calibrate()
    print(calibrated, flush=True)
    module = sys.modules["__main__"].__spec__
    name = (module.name if module else sys.argv[0]).removesuffix(".__main__")
    command = shlex.join(["python", "-m", name, *sys.argv[1:]])
    return this_run(command, this_machine(**versions), calibrated)


def finish(
    name: str,
    rows: Sequence[Row],
    columns: Sequence[Column],
    write: bool,
    *,
    costs: Sequence[Column] = (),
    drawn: Sequence[Plot] = (),
) -> Figures:
    """Prints a table of the rows, and one of `costs`. With `write` they are kept, and the docs show
    all that are kept, with their plots."""
    figures = Figures(name, rows)
    print(_tables(figures, columns, costs), flush=True)
    if write:
        figures = Figures.read(name)
        figures.add(rows)
        figures.write()
        pictures = [plots.draw(figures, plot) for plot in drawn]
        parts = [*pictures, _tables(figures, columns, costs), provenance(figures.rows)]
        include(name, "\n\n".join(part for part in parts if part))
    return figures


def _tables(figures: Figures, *groups: Sequence[Column]) -> str:
    return "\n\n".join(table(figures, columns) for columns in groups if columns)
