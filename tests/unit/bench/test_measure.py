"""The client process and the floor, as real processes: what is published arrives and is counted."""

import pytest

from bench.harness.measure import compare, measure
from bench.harness.systems import Load, Shape
from bench.storm import MISSED
from bench.systems.everyone import Everyone
from bench.systems.floor import Floor

SECONDS = 0.3


@pytest.mark.parametrize("shape", [Shape(20, connections=3), Shape(4, devices=2, connections=0)])
def test_all_that_the_floor_publishes_arrives_once(shape: Shape) -> None:
    with Floor().start(shape) as running:
        values = measure(running, Load("state", 200, SECONDS, bytes=700))
    assert running.refused == 0
    assert values["delivered_per_s"] == 200
    assert (values["lost"], values["repeated"], values["refused"]) == (0, 0, 0)
    assert values["bytes"] == pytest.approx(700, abs=5)
    assert values["server_us"] >= 0
    assert 0 < values["p50_ms"] <= values["p99_ms"] <= values["most_ms"]


def test_a_watch_over_all_users_shows_each_and_is_told_each_change_once() -> None:
    with Everyone("sqlite").start(Shape(20)) as running:
        running.client.ask(do="leave")
        opened = running.client.ask(do="open", count=1, seconds=20)
        values = measure(running, Load("state", 200, SECONDS))
    assert (opened["open"], opened["seconds"] > 0) == (1, True)
    assert values["delivered_per_s"] == 200
    assert (values["lost"], values["repeated"], values["refused"]) == (0, 0, 0)


def test_watchers_who_return_get_what_they_missed_once() -> None:
    with Floor(MISSED).start(Shape(5, connections=2)) as running:
        running.client.ask(do="leave")
        got = running.client.ask(do="open", count=5, seconds=20)
        again = running.client.ask(do="leave") or running.client.ask(do="open", count=5, seconds=20)
    assert got["open"] == again["open"] == 5
    assert got["delivered"] == again["delivered"] == 5 * MISSED
    assert (again["repeated"], again["refused"]) == (0, 0)


def test_every_system_is_measured_in_every_repetition() -> None:
    loads = {"a": Load("progress", 100, SECONDS), "b": Load("state", 100, SECONDS)}
    found = compare([Floor()], Shape(4, connections=1), loads, repetitions=2)
    assert {key: len(values) for key, values in found.items()} == {
        ("a", "floor"): 2,
        ("b", "floor"): 2,
    }
