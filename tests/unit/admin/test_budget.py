"""`rushes-admin budget`."""

import json

import pytest

from core.errors import BudgetExceeded
from tests.making import accepted
from tests.unit.admin.running import PAID, Place


def test_a_limit_binds_from_now_on(place: Place) -> None:
    said = place.run("budget", "set", "--user", "alice", "--day", "0.40")
    assert said.code == 0
    assert said.rows[0][:5] == ["user:alice", "day", "0.40", "0.00", "0.25"]
    with place.database() as db, pytest.raises(BudgetExceeded):
        accepted(db, cost=PAID)
    assert place.run("budget", "set", "--user", "alice", "--day", "none").code == 0
    with place.database() as db:
        accepted(db, cost=PAID)


def test_what_was_spent_and_reserved_is_shown_with_what_is_left(place: Place) -> None:
    place.run("budget", "set", "--each-user", "--day", "1", "--month", "2.5")
    place.run("budget", "set", "--installation", "--month", "100")
    shown = [line.split() for line in place.run("budget", "show").out.splitlines()]
    assert shown[0] == ["OWNER", "PERIOD", "LIMIT", "USD", "SPENT", "RESERVED", "LEFT", "RESETS"]
    lines = {(line[0], line[1]): line[2:-3] for line in shown[1:]}
    assert lines == {
        ("each-user", "day"): ["1.00"],
        ("each-user", "month"): ["2.50"],
        ("installation", "day"): ["none", "0.00", "0.25"],
        ("installation", "month"): ["100.00", "0.00", "0.25", "99.75"],
        ("user:alice", "day"): ["1.00", "0.00", "0.25", "0.75"],
        ("user:alice", "month"): ["2.50", "0.00", "0.25", "2.25"],
    }


def test_programs_get_json(place: Place) -> None:
    place.run("budget", "set", "--installation", "--day", "5")
    found = json.loads(place.run("budget", "show", "--user", "alice", "--json").out)
    assert [(b["owner"], b["period"]) for b in found] == [
        ("user:alice", "day"),
        ("user:alice", "month"),
        ("installation", "day"),
        ("installation", "month"),
    ]
    assert found[0]["limit"] is None
    assert found[0]["reserved"] == "0.25"
    assert (found[2]["limit"], found[2]["left"], found[2]["currency"]) == ("5.00", "4.75", "USD")
    assert found[2]["reset_time"].endswith("T00:00:00.000Z")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--day", "5"), "Give one of --user, --installation and --each-user."),
        (("--user", "a", "--each-user", "--day", "5"), "Give one of"),
        (("--installation",), "Give --day, --month or both."),
        (("--installation", "--day", "-5"), "--day: use an amount such as 12.50, or none."),
        (("--installation", "--month", "5,00"), "--month: use an amount"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    place: Place, arguments: tuple[str, ...], complaint: str
) -> None:
    said = place.run("budget", "set", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(complaint)


def test_a_name_can_not_steer_the_terminal(place: Place) -> None:
    said = place.run("budget", "set", "--user", "a\x1b[31m", "--day", "1")
    assert "\x1b" not in said.out


def test_a_folder_without_a_database_is_a_usage_error(place: Place) -> None:
    (place.folder / "rushes.db").unlink()
    said = place.run("budget", "show")
    assert said.code == 2
    assert "There is no database" in said.err
    assert not (place.folder / "rushes.db").exists()
