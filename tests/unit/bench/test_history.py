"""The bench of a long history says what a call finds slow, and what a job takes on disk."""

from pathlib import Path

import pytest

from bench.harness.machine import Calibration, Machine
from bench.harness.results import Figures, Run, row_of
from bench.history.__main__ import misses
from bench.history.databases import SHORT, databases
from bench.history.growth import YEAR_JOBS, growth
from bench.history.rows import Size

RUN = Run("now", "bench", Machine(2, "a processor", "6", {}), Calibration(30, 1, 20, 1))


def test_a_row_says_what_it_misses() -> None:
    def said(cell: str, **values: float) -> str:
        return misses(Figures("history"), row_of(cell, "sqlite", RUN, [values]))

    assert (
        said("GetJob", loaded_row_ms=4, loaded_times=1.5, analyzed_row_ms=4, analyzed_times=2) == ""
    )
    assert (
        said("GetJob", loaded_row_ms=4, loaded_times=1, analyzed_row_ms=4, analyzed_times=9)
        == "over 2 ×"
    )
    assert said("GetJob", loaded_row_ms=6, loaded_times=3) == "over 2 ×, over 5 ms"
    assert said("ListMedia, words: two", loaded_row_ms=6, loaded_times=1) == ""


def test_a_folder_is_filled_once_and_only_for_one_size(tmp_path: Path) -> None:
    size = Size(of_one=300, of_others=100, others=10, queued=20, running=10)
    with databases("sqlite", tmp_path, size) as pair:
        pair.analyze()
        pair.forget_statistics()
        of = dict(growth(pair.long))
    with databases("sqlite", tmp_path, size) as again:
        assert again.fill_seconds == pair.fill_seconds
    with pytest.raises(SystemExit), databases("sqlite", tmp_path, SHORT):
        pass

    # Each table with something in it has its share, and all have the sum.
    assert {"all tables", "job", "job_event", "media"} <= of.keys()
    assert of["job"]["index"] > 0
    assert of["all tables"]["both"] >= sum(of[name]["both"] for name in ("job", "job_event"))
    assert of["job"]["year_gib"] == pytest.approx(of["job"]["both"] * YEAR_JOBS / 2**30)
