"""The turn of a user's next job."""

import pytest

from core.store.turns import next_turn


@pytest.mark.parametrize(
    ("reached", "last", "own", "turn"),
    [
        pytest.param(0, 0, 0, 1, id="the first of all"),
        pytest.param(5, 0, 0, 5, id="a newcomer comes at the turn that is on"),
        pytest.param(5, 5, 0, 6, id="who was served in this turn comes in the next"),
        pytest.param(5, 3, 0, 5, id="who was served before comes at the turn that is on"),
        pytest.param(5, 900, 0, 6, id="what was cancelled, or in another queue, costs one turn"),
        pytest.param(5, 40, 40, 41, id="behind one's own"),
    ],
)
def test_a_turn_is_after_what_the_user_had_and_never_before_the_queues(
    reached: int, last: int, own: int, turn: int
) -> None:
    assert next_turn(reached, last, own) == turn
