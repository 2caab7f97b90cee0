"""`rushes-admin storage`."""

import json

from core.store import media
from tests.making import new_media
from tests.unit.admin.running import Place

MIB = 1024 * 1024


def keep(place: Place, user_id: str, megabytes: float) -> None:
    with place.database() as db:
        media.add(db, new_media(user_id, size_bytes=int(megabytes * MIB)))


def test_who_keeps_most_comes_first_with_what_is_left(place: Place) -> None:
    keep(place, "alice", 2)
    keep(place, "bob", 7.5)
    place.environment["user_storage_megabytes"] = 4

    shown = place.run("storage", "show")

    assert shown.out.split("\n")[0].split() == ["USER", "MIB", "LIMIT", "LEFT"]
    assert shown.rows == [["bob", "7.5", "4.0", "0.0"], ["alice", "2.0", "4.0", "2.0"]]
    assert place.run("storage", "show", "--count", "1").rows == shown.rows[:1]


def test_without_a_quota_there_is_no_limit(place: Place) -> None:
    keep(place, "alice", 1)

    [shown] = json.loads(place.run("storage", "show", "--user", "alice", "--json").out)

    assert shown == {
        "user": "alice",
        "used_bytes": MIB,
        "limit_bytes": None,
        "left_bytes": None,
    }


def test_an_empty_installation_says_so(place: Place) -> None:
    assert place.run("storage", "show").out == "No user keeps anything.\n"
