"""When a child is started again, and when not."""

from standalone.restarts import Restarts


def test_the_pause_doubles_from_a_fifth_of_a_second_to_five() -> None:
    restarts = Restarts()

    pauses = [restarts.pause_after(lived=1, was_ready=True) for _ in range(7)]

    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_ten_seconds_of_life_make_up_for_earlier_deaths() -> None:
    restarts = Restarts()
    for _ in range(4):
        restarts.pause_after(lived=1, was_ready=True)

    assert restarts.pause_after(lived=10, was_ready=True) == 0.2
    assert restarts.pause_after(lived=1, was_ready=True) == 0.2


def test_five_lives_that_never_served_are_enough() -> None:
    restarts = Restarts()

    pauses = [restarts.pause_after(lived=60, was_ready=False) for _ in range(5)]

    assert pauses[4] is None
    assert None not in pauses[:4]


def test_a_life_that_served_forgives_those_that_did_not() -> None:
    restarts = Restarts()
    for _ in range(4):
        restarts.pause_after(lived=0, was_ready=False)
    restarts.pause_after(lived=0, was_ready=True)

    assert restarts.pause_after(lived=0, was_ready=False) is not None


def test_ten_short_lives_are_enough_even_when_each_served() -> None:
    restarts = Restarts()

    pauses = [restarts.pause_after(lived=1, was_ready=True) for _ in range(10)]

    assert pauses[9] is None
    assert None not in pauses[:9]
