"""The arithmetic of benches: medians, ratios within repetitions, and how figures are kept."""

from pathlib import Path

import pytest

from bench.harness.machine import Calibration, Machine, calibration
from bench.harness.results import Figures, Row, Run, Spread, ratio, row_of

MACHINE = Machine(cores=2, processor="a processor", kernel="6.1", versions={"python": "3.11"})
CALM = Calibration(spin_ms=10, spin=1.0, ping_us=30, ping=1.0)


def run_at(time: str) -> Run:
    return Run(time, "python -m bench.watch", MACHINE, CALM)


def row(system: str, *values: float, time: str = "noon", cell: str = "progress-2000") -> Row:
    return row_of(cell, system, run_at(time), [{"server_us": value} for value in values])


def test_a_ratio_is_taken_within_each_repetition_before_the_median() -> None:
    # Given a machine that is three times slower during the second of three repetitions
    ours, floor = Spread((20.0, 90.0, 40.0)), Spread((10.0, 30.0, 10.0))
    found = ratio(ours, floor)
    assert found is not None
    assert found.each == (2.0, 3.0, 4.0)
    # The ratio of the medians would be 4.
    assert (found.low, found.median, found.high) == (2.0, 3.0, 4.0)


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratio(Spread((1.0,)), Spread((0.0,))) is None


def test_two_runs_that_differ_in_repetitions_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        ratio(Spread((1.0, 2.0)), Spread((1.0,)))


def test_rows_of_different_runs_are_not_compared() -> None:
    ours, floor = row("rushes", 30, time="noon"), row("floor", 10, time="one")
    assert Figures("watch", [ours, floor]).ratio(ours, "floor", "server_us") is None


def test_figures_that_were_kept_read_the_same(tmp_path: Path) -> None:
    figures = Figures("watch", [row("rushes", 30, 31, 35), row("floor", 10, 10, 10)])
    figures.write(tmp_path)
    assert Figures.read("watch", tmp_path).rows == figures.rows


def test_a_new_run_replaces_the_rows_that_it_measured_and_no_others() -> None:
    old = [row("rushes", 30), row("floor", 10), row("rushes", 50, cell="state-2000")]
    figures = Figures("watch", old)
    new = row("rushes", 20, time="one")
    figures.add([new, row("peer", 40, time="one")])
    assert [(r.cell, r.system) for r in figures.rows] == [
        ("progress-2000", "rushes"),
        ("progress-2000", "floor"),
        ("state-2000", "rushes"),
        ("progress-2000", "peer"),
    ]
    assert figures.find("progress-2000", "rushes") is new


@pytest.mark.parametrize(
    ("spins", "pings", "busy"),
    [
        ([10.0, 10.1, 10.2], [30.0, 31.0, 33.0], False),
        ([10.0, 14.0, 15.0], [30.0, 31.0, 33.0], True),
        ([10.0, 10.1, 10.2], [30.0, 70.0, 80.0], True),
    ],
)
def test_a_machine_is_busy_when_the_usual_time_is_far_above_the_best(
    spins: list[float], pings: list[float], busy: bool
) -> None:
    assert calibration(spins, pings).busy is busy
