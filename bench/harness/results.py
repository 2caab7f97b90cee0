"""Figures as they are kept: a row for each system and cell, with where and how it was made.

A bench's figures are in `bench/results/NAME.json`. A run replaces the rows that it measured anew.
"""

import json
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.harness.machine import Calibration, Machine

FOLDER = Path(__file__).parents[1] / "results"
DIGITS = 4
_SPREAD = re.compile(r'\{\s*"median"[^}]*\}')


@dataclass(frozen=True, slots=True)
class Spread:
    """What several repetitions gave; `each` in their order."""

    each: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.each)

    @property
    def low(self) -> float:
        """The least."""
        return min(self.each)

    @property
    def high(self) -> float:
        """The most."""
        return max(self.each)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "median": _short(self.median),
            "low": _short(self.low),
            "high": _short(self.high),
            "each": [_short(value) for value in self.each],
        }


def ratio(values: Spread, base: Spread) -> Spread | None:
    """How many times `base`, within each repetition; None when a base is nothing.

    Its median is the median of the ratios, not the ratio of the medians: a machine that is slow for
    one repetition is slow for both sides.
    """
    pairs = list(zip(values.each, base.each, strict=True))
    if not pairs or any(below <= 0 for _, below in pairs):
        return None
    return Spread(tuple(value / below for value, below in pairs))


@dataclass(frozen=True, slots=True)
class Run:
    """When, where and by which command rows were measured. Rows of one run can be compared."""

    time: str
    command: str
    machine: Machine
    calibration: Calibration

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "time": self.time,
            "command": self.command,
            "machine": self.machine.to_json(),
            "calibration": asdict(self.calibration) | {"busy": self.calibration.busy},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Run":
        """The run that `to_json` wrote."""
        calibrated = {k: v for k, v in values["calibration"].items() if k != "busy"}
        return cls(
            values["time"],
            values["command"],
            Machine(**values["machine"]),
            Calibration(**calibrated),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What one system did in one cell. `values` are by metric, one value for each repetition."""

    cell: str
    system: str
    run: Run
    values: dict[str, Spread]

    @property
    def repetitions(self) -> int:
        """How many there were."""
        return max((len(spread.each) for spread in self.values.values()), default=0)

    def __getitem__(self, metric: str) -> Spread:
        return self.values[metric]


class Figures:
    """The rows of one bench."""

    def __init__(self, name: str, rows: Sequence[Row] = ()) -> None:
        self.name = name
        self.rows = list(rows)

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> "Figures":
        """The kept ones; none if there is no file yet."""
        path = folder / f"{name}.json"
        if not path.exists():
            return cls(name)
        kept = json.loads(path.read_text())
        runs = {values["time"]: Run.from_json(values) for values in kept["runs"]}
        return cls(name, [_row(values, runs) for values in kept["rows"]])

    def write(self, folder: Path = FOLDER) -> Path:
        """Keeps them, with the ratios that readers want to see."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.name}.json"
        rows = [self._row_to_json(row) for row in self.rows]
        runs = list({row.run.time: row.run.to_json() for row in self.rows}.values())
        text = json.dumps({"bench": self.name, "runs": runs, "rows": rows}, indent=1)
        # A spread stands on one line.
        path.write_text(_SPREAD.sub(lambda found: " ".join(found[0].split()), text) + "\n")
        return path

    def add(self, rows: Sequence[Row]) -> None:
        """Takes new rows; those of the same cell and system are replaced where they stand."""
        places = {(row.cell, row.system): place for place, row in enumerate(self.rows)}
        for row in rows:
            place = places.get((row.cell, row.system))
            if place is None:
                self.rows.append(row)
            else:
                self.rows[place] = row

    def find(self, cell: str, system: str) -> Row | None:
        """The row; None when it was not measured."""
        found = [row for row in self.rows if (row.cell, row.system) == (cell, system)]
        return found[0] if found else None

    def ratio(self, row: Row, system: str, metric: str) -> Spread | None:
        """The row's metric as a multiple of another system's; None if not of the same run."""
        base = self.find(row.cell, system)
        if base is None or base is row or base.run.time != row.run.time:
            return None
        if metric not in row.values or metric not in base.values:
            return None
        return ratio(row[metric], base[metric])

    def _row_to_json(self, row: Row) -> dict[str, Any]:
        others = [other.system for other in self.rows if other.cell == row.cell]
        ratios = {
            system: {
                metric: found.to_json()
                for metric in row.values
                if (found := self.ratio(row, system, metric)) is not None
            }
            for system in others
        }
        return {
            "cell": row.cell,
            "system": row.system,
            "repetitions": row.repetitions,
            "values": {metric: spread.to_json() for metric, spread in row.values.items()},
            "ratios": {system: found for system, found in ratios.items() if found},
            "run": row.run.time,
        }


def row_of(cell: str, system: str, run: Run, repetitions: Sequence[Mapping[str, float]]) -> Row:
    """The row of what each repetition gave."""
    metrics = list(repetitions[0])
    return Row(
        cell, system, run, {m: Spread(tuple(float(one[m]) for one in repetitions)) for m in metrics}
    )


def this_run(command: str, machine: Machine, calibration: Calibration) -> Run:
    """A run that begins now."""
    return Run(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), command, machine, calibration)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie; 0 of nothing."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def _row(values: dict[str, Any], runs: Mapping[str, Run]) -> Row:
    spreads = {metric: Spread(tuple(one["each"])) for metric, one in values["values"].items()}
    return Row(values["cell"], values["system"], runs[values["run"]], spreads)


def _short(value: float) -> float:
    """With as many digits as mean something."""
    return float(f"{value:.{DIGITS}g}")
