"""The model of many watchers: it finds the costs that figures were made with, and adds them up."""

from pathlib import Path

import pytest

from bench.harness.machine import Calibration, Machine
from bench.harness.results import Figures, Row, row_of, this_run
from bench.model.costs import (
    MOST_READS,
    Costs,
    Lacking,
    Load,
    ValkeyCosts,
    costs,
    layout,
    loads_of,
    pair,
    valkey_costs,
)
from bench.model.needs import SHARE, Asked, Kept, ends_at, processes, server_cores, valkey_cores
from bench.scale import BYSTANDER, LOADS, UNHEARD, UNHEARD_RATE, cell, of_processes

RUN = this_run("command", Machine(2, "p", "6", {}), Calibration(10, 1.0, 30, 1.0))
SERVER = Costs(moment=110, read=40, row=12, wake_up=90, delivery=80)
VALKEY = ValkeyCosts(event=18, moment=25, row=1.5)
ASKED = Asked(
    watchers=1_000_000,
    running=50_000,
    job_seconds=60,
    progress_per_s=1,
    changes=5,
    per_process=10_000,
    per_envoy=20_000,
)


def kept(server: Costs = SERVER, valkey: ValkeyCosts = VALKEY) -> Kept:
    kinds = ("progress", "state")
    return Kept(dict.fromkeys(kinds, server), dict.fromkeys(kinds, valkey), Path())


def rows_of(load: str) -> list[Row]:
    """What one process, and one beside a bystander, would cost with these costs."""
    rate = LOADS[load][1]
    own, other = Load(1, rate, rate), Load(1, rate, 0)
    alone = {
        "servers_us": SERVER.of(own) / rate,
        "valkey_us": VALKEY.of(rate, [own]) / rate,
    }
    beside = {
        "bystander_us": SERVER.of(other) / rate,
        "valkey_us": VALKEY.of(rate, [own, other]) / rate,
    }
    tails = {"bystander_us": SERVER.of(Load(4, rate / 4, 0)) / rate}
    return [
        row_of(cell(load, 1), of_processes(1), RUN, [alone]),
        row_of(cell(load, 1), BYSTANDER, RUN, [beside]),
        row_of(cell(load, 4), BYSTANDER, RUN, [tails]),
    ]


def unheard() -> Figures:
    """What events cost that no watcher is told of, with these costs."""
    load = Load(1, UNHEARD_RATE, 0)
    rows = []
    for system, readers in ((of_processes(1), [load]), (BYSTANDER, [load, load])):
        values = {
            "bystander_us": SERVER.of(load) / UNHEARD_RATE,
            "valkey_us": VALKEY.of(UNHEARD_RATE, readers) / UNHEARD_RATE,
        }
        rows.append(row_of(UNHEARD, system, RUN, [values]))
    return Figures("scale-idle", rows)


@pytest.mark.parametrize("kind", ["progress", "state"])
def test_the_costs_that_figures_were_made_with_are_found_again(kind: str) -> None:
    scale = Figures("scale", [row for load in loads_of(kind) for row in rows_of(load)])
    found, valkey = costs(scale, unheard(), kind), valkey_costs(scale, unheard(), kind)
    assert (found.moment, found.read, found.row) == pytest.approx((110, 40, 12))
    assert (found.wake_up, found.delivery) == pytest.approx((90, 80))
    assert (valkey.event, valkey.moment, valkey.row) == pytest.approx((18, 25, 1.5))


def test_a_missing_figure_is_named_with_the_command_that_makes_it() -> None:
    scale = Figures("scale", rows_of("progress-500"))
    with pytest.raises(Lacking, match=r"progress-2000.*make bench-scale"):
        costs(scale, unheard(), "progress")


def test_no_cost_is_below_nothing_when_noise_says_so() -> None:
    # Given a second measurement that is cheaper than its larger amount allows
    assert pair((100, 500, 1000.0), (100, 2000, 900.0)) == (pytest.approx(9.5), 0.0)
    assert pair((100, 500, 1700.0), (100, 2000, 4700.0)) == pytest.approx((7.0, 2.0))


def test_a_process_wakes_its_watchers_no_more_often_than_it_reads() -> None:
    assert Load(1, 100, 100).wake_ups == pytest.approx(100)
    dense = Load(4, 2000, 8000)
    assert dense.wake_ups == pytest.approx(MOST_READS)
    assert dense.reads == pytest.approx(4 * MOST_READS)
    few = Load(1, 2000, 20)
    assert 15 < few.wake_ups <= 20
    assert Load(1, 2000, 0).wake_ups == Load(1, 0, 0).wake_ups == 0


def test_processes_that_tail_all_shards_read_every_event_and_those_of_one_shard_a_part() -> None:
    everywhere, by_shard = layout(2000, 4, 4), layout(2000, 4, 4, by_shard=True)
    assert [load.rows for load in everywhere] == [2000] * 4
    assert [load.rows for load in by_shard] == [500] * 4
    assert sum(load.delivered for load in everywhere) == sum(load.delivered for load in by_shard)


def test_as_many_processes_are_needed_as_leave_each_room_on_its_core() -> None:
    busy = Asked(**{name: getattr(ASKED, name) for name in ASKED.__slots__} | {"running": 10**6})
    count = processes(busy, kept(), by_shard=True)
    assert count is not None
    assert count > busy.watchers / busy.per_process
    assert server_cores(busy, kept(), count, by_shard=True)[0] <= SHARE
    assert server_cores(busy, kept(), int(count / 1.06), by_shard=True)[0] > SHARE


def test_no_number_of_processes_is_enough_when_each_reads_more_than_it_can() -> None:
    assert processes(ASKED, kept(), by_shard=False) is None
    assert processes(ASKED, kept(), by_shard=True) == 100


def test_tailing_every_shard_ends_where_the_model_says() -> None:
    most = ends_at(ASKED, kept())
    share = most / ASKED.watchers
    assert 0 < share < 1
    below, above = ASKED.scaled(share * 0.97), ASKED.scaled(share * 1.03)
    count = processes(below, kept(), by_shard=False)
    assert count is not None
    assert valkey_cores(below, kept(), count, by_shard=False) <= SHARE
    more = processes(above, kept(), by_shard=False)
    assert more is None or valkey_cores(above, kept(), more, by_shard=False) > SHARE
