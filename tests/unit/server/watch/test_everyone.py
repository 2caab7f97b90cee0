"""What administrators watch: everyone's events in one order, and what of them is read."""

import pytest

from server.watch.everyone import Everyone
from tests.unit.server.watch.place import Place

pytestmark = pytest.mark.asyncio


def lines(everyone: Everyone) -> list[tuple[str, int]]:
    return [(line.user_id, line.revision) for line in everyone.lines_after(0) or ()]


async def test_what_happened_before_the_watch_is_not_read_again(place: Place) -> None:
    # Given a change that the snapshot of a watch shows
    place.accept("alice", tell=False)
    signal = place.hub.attach_all("operator", ticks=False)
    await place.hub.hears_all()
    await place.everyone.begin()

    # Then nobody lacks it, and a later one comes from the stream alone
    assert await place.everyone.compare() == {}
    place.accept("alice")
    await place.until(lambda: place.everyone.number > 0)
    assert lines(place.everyone) == [("alice", 2)]
    place.hub.detach_all(signal)


async def test_what_was_not_told_is_found_for_every_user(place: Place) -> None:
    # Given a watch, and changes of many users of which none is told but the last of one
    signal = place.hub.attach_all("operator", ticks=False)
    await place.hub.hears_all()
    await place.everyone.begin()
    users = [f"user-{number}" for number in range(5)]
    for user_id in users:
        place.accept(user_id, tell=False)
        place.accept(user_id, tell=user_id == users[0])

    # Then each user's come once and in order
    await place.until(lambda: place.everyone.number == 10)
    assert sorted(lines(place.everyone)) == [(user, number) for user in users for number in (1, 2)]
    for user_id in users:
        assert [number for user, number in lines(place.everyone) if user == user_id] == [1, 2]
    place.hub.detach_all(signal)
