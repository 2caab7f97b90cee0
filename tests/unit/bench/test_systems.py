"""Stamps of events, and the pace of publishers."""

from pathlib import Path

import pytest

from bench.harness.report import in_words, include
from bench.harness.results import Spread, percentile
from bench.harness.systems import STAMP_SIZE, Pace, read_stamp, stamp
from bench.systems.rushes import Servers
from bench.watch import CEILING_MOST, CEILING_STEP, highest
from core.telling.stream import shard_of


def test_a_stamp_reads_back_and_is_always_as_long() -> None:
    for number, seconds in ((1, 0.25), (999_999, 1_790_000_000.123456)):
        text = stamp(number, seconds)
        assert len(text) == STAMP_SIZE
        assert read_stamp(text) == (number, pytest.approx(seconds))


def test_a_late_publisher_catches_up_and_publishes_no_more_than_asked() -> None:
    pace = Pace(rate=1000, seconds=0.1, now=0.0)
    assert pace.due(0.0105) == 10
    assert pace.due(0.0105) == 0
    # It slept too long.
    assert pace.due(0.0955) == 85
    pace.published(0.098)
    assert not pace.finished
    assert pace.due(9.0) == 5
    assert pace.finished
    assert pace.late_seconds == pytest.approx(0.003)


@pytest.mark.parametrize("limit", [0, 999, 1000, 2500, 4000, 9000, 17_400, 10**9])
def test_the_highest_rate_that_holds_is_found_to_a_step(limit: int) -> None:
    found = highest(lambda rate: rate <= limit)
    most = CEILING_MOST - CEILING_STEP
    assert found == min(limit // CEILING_STEP * CEILING_STEP, most)


def test_a_percentile_of_nothing_is_nothing() -> None:
    assert percentile([], 0.99) == 0.0
    assert percentile([1.0, 2.0, 3.0], 1.0) == 3.0
    assert percentile(list(range(100)), 0.99) == 99


def test_a_range_is_told_unless_all_are_alike() -> None:
    assert in_words(Spread((1.0, 2.0, 4.0)), 1, True) == "2.0 (1.0 to 4.0)"
    assert in_words(Spread((2.0, 2.0)), 1, True) == "2.0"


def test_a_table_stands_between_its_markers_and_is_replaced_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:x -->\nold\n<!-- end bench:x -->\nafter\n")
    include("x", "new", page)
    include("x", r"newer \1", page)
    assert page.read_text() == (
        "before\n<!-- bench:x -->\n\nnewer \\1\n\n<!-- end bench:x -->\nafter\n"
    )


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="markers"):
        include("x", "new", page)


def test_watchers_take_turns_at_the_processes_or_are_at_that_of_their_shard() -> None:
    names = [f"user-{number}" for number in range(200)]
    in_turn, by_shard = Servers(4, 4), Servers(4, 4, by_shard=True)
    assert [in_turn.of(number, name) for number, name in enumerate(names[:5])] == [0, 1, 2, 3, 0]
    for number, name in enumerate(names):
        assert by_shard.of(number, name) == shard_of(name, 4)
    assert Servers(2, bystander=True).processes == 3
