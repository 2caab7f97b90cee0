"""What the commands of benches share: options, the calibration, what is printed and kept."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from bench.harness.machine import calibrate, this_machine
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


def finish(name: str, rows: Sequence[Row], columns: Sequence[Column], write: bool) -> Figures:
    """Prints a table of the rows. With `write` they are kept, and the docs show all that are."""
    figures = Figures(name, rows)
    print(table(figures, columns))
    if write:
        figures = Figures.read(name)
        figures.add(rows)
        figures.write()
        include(name, f"{table(figures, columns)}\n\n{provenance(figures.rows)}")
    return figures
