"""When a child is started again, and when not."""

from standalone.restarts import LONGEST_PAUSE_SECONDS, Restarts


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


def test_one_that_served_once_is_never_given_up() -> None:
    restarts = Restarts()
    restarts.pause_after(lived=1, was_ready=True)

    pauses = [restarts.pause_after(lived=1, was_ready=n % 3 == 0) for n in range(50)]

    assert None not in pauses
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
