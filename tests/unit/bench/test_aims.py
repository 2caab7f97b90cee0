"""What was measured beside what it must be."""

from pathlib import Path

import pytest

from bench.aims import CALLS, EVENTS, Aim, table
from bench.harness.machine import Calibration, Machine
from bench.harness.report import DOCS
from bench.harness.results import Figures, row_of, this_run

RUN = this_run("command", Machine(2, "p", "6", {}), Calibration(10, 1.0, 30, 1.0))
RATIO = Aim("cpu", "watch", "progress", "server_us", "×", must=1.6, aim=1.2, over="floor")
RATE = Aim("rate", "watch", "progress", "holds", "/s", must=10_000, aim=15_000, at_least=True)


@pytest.mark.parametrize(
    ("aim", "value", "reached"),
    [
        (RATIO, 1.2, "aim"),
        (RATIO, 1.21, "must"),
        (RATIO, 1.61, "**no**"),
        (RATE, 15_000, "aim"),
        (RATE, 14_999, "must"),
        (RATE, 9_999, "**no**"),
        (Aim("told", "watch", "progress", "server_us", "µs"), 5, "told"),
    ],
)
def test_a_figure_reaches_its_aim_its_must_or_neither(aim: Aim, value: float, reached: str) -> None:
    assert aim.reached(value) == reached


def test_a_ratio_is_taken_within_repetitions_and_what_is_not_kept_says_so(tmp_path: Path) -> None:
    ours = [{"server_us": 20.0}, {"server_us": 90.0}, {"server_us": 15.0}]
    floor = [{"server_us": 10.0}, {"server_us": 30.0}, {"server_us": 10.0}]
    rows = [
        row_of("progress", name, RUN, each) for name, each in (("rushes", ours), ("floor", floor))
    ]
    Figures("watch", rows).write(tmp_path)
    assert table([RATIO, RATE], tmp_path).splitlines()[2:] == [
        "| cpu | 2.00 × | 1.60 × | 1.20 × | **no** | watch |",
        "| rate | not measured | 10,000 /s | 15,000 /s |  | watch |",
    ]


def test_every_aim_names_a_section_of_the_docs() -> None:
    page = DOCS.read_text()
    for aim in (*EVENTS, *CALLS):
        assert f"<!-- bench:{aim.bench} -->" in page, aim
