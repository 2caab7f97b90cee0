"""API keys on SQLite and on PostgreSQL alike."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.api_keys import LISTED_MS, hash_of
from core.errors import NotFound, ResourceLimitReached
from core.ids import new_id
from core.store import Database, events, keys, retention
from core.store.engine.sql import Statement
from tests.making import kept_key, new_key

AGE = Statement("UPDATE api_key SET end_time = {now} - :ms WHERE api_key_id = :api_key_id")
COUNT = Statement("SELECT count(*) FROM api_key")


def listed(db: Database, user_id: str = "alice") -> list[str]:
    return [key.api_key_id for key in keys.list_page(db, user_id, limit=100)]


def age(db: Database, api_key_id: str, ms: int) -> None:
    db.write(lambda session: session.run(AGE, api_key_id=api_key_id, ms=ms))


def test_a_key_is_found_by_the_hash_of_its_secret(db: Database) -> None:
    key, secret = kept_key(db, scopes=("jobs.read", "media.read"))

    assert keys.find(db, hash_of(secret)) == key
    assert keys.find(db, hash_of(secret + "x")) is None
    assert abs(key.create_time - db.now_ms()) < 60_000


def test_no_two_keys_have_one_secret(db: Database) -> None:
    kept_key(db)
    keys.create(db, new_key(), "one hash", most=10)
    with pytest.raises(Exception, match=r"(?i)unique"):
        keys.create(db, new_key(), "one hash", most=10)


def test_keys_are_listed_newest_first_page_by_page(db: Database) -> None:
    made = [kept_key(db)[0] for _ in range(5)]
    kept_key(db, "bob")
    newest = sorted(made, key=lambda key: (key.create_time, key.api_key_id), reverse=True)

    found = keys.list_page(db, "alice", limit=2)
    while len(found) < 5:
        last = found[-1]
        found += keys.list_page(db, "alice", after=(last.create_time, last.api_key_id), limit=2)

    assert found == newest


def test_a_revoked_key_stays_revoked_from_its_first_time(db: Database) -> None:
    key, secret = kept_key(db)
    assert keys.revoked(db, [key.api_key_id]) == []

    revoked = keys.revoke(db, "alice", key.api_key_id)
    assert revoked.revoke_time is not None
    assert keys.revoke(db, "alice", key.api_key_id) == revoked
    assert keys.find(db, hash_of(secret)) == revoked
    assert keys.revoked(db, [key.api_key_id, new_id()]) == [key.api_key_id]


def test_nobody_revokes_what_is_another_s_or_not_there(db: Database) -> None:
    key, secret = kept_key(db)

    for user_id, api_key_id in (("bob", key.api_key_id), ("alice", new_id())):
        with pytest.raises(NotFound):
            keys.revoke(db, user_id, api_key_id)
    assert keys.find(db, hash_of(secret)) == key


def test_a_user_has_so_many_keys_that_work_however_many_are_made_at_once(db: Database) -> None:
    def make(_: int) -> bool:
        try:
            keys.create(db, new_key(), new_id(), most=3)
        except ResourceLimitReached:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(20))) == 3
    # And that costs no revision
    assert events.revisions(db, ["alice"]).get("alice", 0) == 0


def test_what_is_revoked_or_expired_makes_room(db: Database) -> None:
    first = keys.create(db, new_key(), "1", most=2)
    keys.create(db, new_key(expire_time=1), "2", most=2)
    keys.create(db, new_key(), "3", most=2)
    with pytest.raises(ResourceLimitReached):
        keys.create(db, new_key(), "4", most=2)

    keys.revoke(db, "alice", first.api_key_id)
    keys.create(db, new_key(), "5", most=2)
    keys.create(db, new_key("bob"), "6", most=2)


def test_a_use_is_noted_and_never_goes_back(db: Database) -> None:
    key, secret = kept_key(db)
    for hour in (7_200_000, 3_600_000):
        keys.mark_used(db, key.api_key_id, hour)

    found = keys.find(db, hash_of(secret))
    assert found is not None
    assert found.last_use_time == 7_200_000


def test_a_key_is_listed_for_ninety_days_after_its_end_and_then_removed(db: Database) -> None:
    # Given keys that ended long ago, a while ago, and not at all
    old, late, good = (kept_key(db)[0].api_key_id for _ in range(3))
    age(db, old, LISTED_MS + 1000)
    age(db, late, LISTED_MS - 60_000)
    assert set(listed(db)) == {late, good}

    retention.forget(db, keep_ms=10**12)
    assert set(listed(db)) == {late, good}
    assert db.rows(COUNT) == [(2,)]
