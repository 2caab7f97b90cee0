"""`rushes-admin queues`, `pause`, `resume`, `workers`, `drain`, `users`, `apikey`, `announce`."""

import json

import pytest

from core.api_keys import hash_of
from core.store import announcements, keys, workers
from tests.unit.admin.running import Place


def test_a_queue_is_paused_with_words_and_resumed(place: Place) -> None:
    paused = json.loads(place.run("pause", "video", "--reason", "We move.", "--json").out)
    assert (paused["queue"], paused["queued_count"]) == ("video", 1)
    assert paused["pause_reason"] == "We move."
    shown = place.run("queues")
    assert "We move." in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    resumed = json.loads(place.run("resume", "video", "--json").out)
    assert resumed["pause_time"] is None


def test_workers_are_shown_and_drained(place: Place) -> None:
    assert place.run("workers").out == "No worker runs.\n"
    with place.database() as db:
        workers.beat(db, "worker-1", ["video"], threads=4, running=2, version="1.2")
    assert place.run("workers").rows[0][:2] == ["worker-1", "ACTIVE"]
    drained = json.loads(place.run("drain", "worker-1", "--json").out)
    assert (drained["state"], drained["running_count"]) == ("DRAINING", 2)
    with place.database() as db:
        assert workers.shall_end(db, "worker-1")


def test_users_are_shown_with_their_jobs_and_money(place: Place) -> None:
    [alice] = json.loads(place.run("users", "--json").out)
    assert (alice["user_id"], alice["queued_count"], alice["reserved"]) == ("alice", 1, "0.25")
    assert place.run("users").rows[0][:3] == ["alice", "0", "1"]


def test_a_key_is_made_listed_without_its_secret_and_revoked(place: Place) -> None:
    create = ("apikey", "create", "--user", "bob", "--label", "ci", "--scope", "jobs.read")
    made = json.loads(place.run(*create, "--json").out)
    with place.database() as db:
        found = keys.find(db, hash_of(made["secret"]))
    assert found is not None
    assert (found.user_id, found.scopes) == ("bob", ("jobs.read",))
    listed = place.run("apikey", "list", "--user", "bob")
    assert made["api_key_id"] in listed.out
    assert made["secret"] not in listed.out
    assert max(map(len, listed.out.splitlines())) <= 100
    assert place.run("apikey", "revoke", made["api_key_id"], "--user", "bob").code == 0
    [revoked] = json.loads(place.run("apikey", "list", "--user", "bob", "--json").out)
    assert revoked["revoke_time"] is not None


def test_an_announcement_is_shown_until_it_is_withdrawn(place: Place) -> None:
    made = json.loads(place.run("announce", "create", "We move at noon.", "--json").out)
    with place.database() as db:
        assert [one.title for one in announcements.page(db, "bob", limit=9)] == ["We move at noon."]
    for _ in range(2):
        assert place.run("announce", "withdraw", made["announcement_id"]).code == 0
    with place.database() as db:
        assert announcements.page(db, "bob", limit=9) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("pause", "no-such"), "queue"),
        (("pause", "video", "--reason", "x" * 201), "--reason: has 201 characters"),
        (("drain", "no-such"), "worker"),
        (("announce", "create", " "), "TITLE: must not be empty"),
        (("announce", "create", "a", "--severity", "loud"), "--severity"),
        (("announce", "create", "a", "--hours", "0"), "--hours"),
        (("apikey", "list", "--user", ""), "--user: must have 1 to 256 characters"),
        (("apikey", "revoke", "no-such", "--user", "bob"), "API key"),
        (
            ("apikey", "create", "--user", "b", "--label", "c", "--scope", "admin"),
            "--scope: use some of",
        ),
    ],
)
def test_what_is_wrong_is_named(place: Place, arguments: tuple[str, ...], complaint: str) -> None:
    said = place.run(*arguments)
    assert said.code == 2
    assert complaint in said.err
