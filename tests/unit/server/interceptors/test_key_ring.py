"""The key ring asks the database seldom, and believes it for some seconds only."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from core.api_keys import ApiKey, hash_of, new_secret
from core.errors import CredentialsExpired, CredentialsInvalid, DependencyUnavailable, RateLimited
from server.interceptors import key_ring
from server.interceptors.key_ring import CACHE_SECONDS, KeyRing
from server.watch.keyed import RECHECK_SECONDS
from tests.making import new_key

NOW = 1_800_000_000
HOUR_MS = 3_600_000


class AtOnce(Executor):
    """Runs what it is given, or keeps it until it is let go."""

    def __init__(self) -> None:
        self.held: list[Callable[[], None]] = []
        self.holds = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - told to who waits
                future.set_exception(error)

        self.held.append(run) if self.holds else run()
        return future


class Desk:
    """A key ring over a few keys, its clock, and what the database was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.asked: list[str] = []
        self.used: list[tuple[str, int]] = []
        self.now = 1000.0
        self.away = False
        self.pool = AtOnce()
        monkeypatch.setattr(key_ring.keys, "find", self._find)
        monkeypatch.setattr(
            key_ring.keys, "mark_used", lambda _, key_id, hour: self.used.append((key_id, hour))
        )
        nothing: Any = None
        self.ring = KeyRing(nothing, self.pool, lambda: NOW + self.now - 1000, lambda: self.now)

    def _find(self, _: Any, digest: str) -> ApiKey | None:
        self.asked.append(digest)
        if self.away:
            raise DependencyUnavailable("database")
        return self.keys.get(digest)

    def new(self, **changes: Any) -> str:
        secret = new_secret()
        self.keys[hash_of(secret)] = new_key(**{"scopes": ("jobs.read",), **changes})
        return secret

    def verify(self, *secrets: str) -> list[Any]:
        async def work() -> list[Any]:
            calls = map(self.ring.verify, secrets)
            found = await asyncio.gather(*calls, return_exceptions=True)
            await asyncio.sleep(0)
            return found

        return asyncio.run(work())

    def one(self, secret: str) -> Any:
        return self.verify(secret)[0]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_the_user_of_the_key_is_the_caller_with_its_scopes(desk: Desk) -> None:
    secret = desk.new(user_id="bob", scopes=("media.read", "admin"))

    caller = desk.one(secret)

    key = desk.keys[hash_of(secret)]
    assert (caller.user_id, caller.scopes) == ("bob", {"media.read", "admin"})
    assert (caller.api_key_id, caller.expire_time) == (key.api_key_id, key.expire_time)


def test_an_answer_is_good_for_some_seconds(desk: Desk) -> None:
    secret = desk.new()
    for _ in range(3):
        desk.one(secret)
    assert len(desk.asked) == 1

    desk.now += CACHE_SECONDS
    desk.one(secret)
    assert len(desk.asked) == 2


def test_a_key_that_was_revoked_is_refused_once_the_answer_is_old(desk: Desk) -> None:
    secret = desk.new()
    desk.one(secret)
    digest = hash_of(secret)
    desk.keys[digest] = new_key(revoke_time=1)

    desk.now += CACHE_SECONDS
    assert isinstance(desk.one(secret), CredentialsInvalid)
    # A process believes an answer, and looks after its watches, in less time than is promised.
    assert CACHE_SECONDS + 2.5 < 10
    assert RECHECK_SECONDS + 2.5 < 10


def test_an_answer_counts_from_when_it_was_asked_for(desk: Desk) -> None:
    secret = desk.new()

    async def slowly() -> None:
        desk.pool.holds = True
        call = asyncio.ensure_future(desk.ring.verify(secret))
        await asyncio.sleep(0)
        desk.now += CACHE_SECONDS
        desk.pool.holds = False
        desk.pool.held.pop()()
        await call

    asyncio.run(slowly())
    desk.one(secret)
    assert len(desk.asked) == 2


def test_callers_who_come_together_ask_once_and_one_who_leaves_takes_nobody_along(
    desk: Desk,
) -> None:
    secret = desk.new()

    async def together() -> list[Any]:
        desk.pool.holds = True
        calls = [asyncio.ensure_future(desk.ring.verify(secret)) for _ in range(5)]
        await asyncio.sleep(0)
        calls[0].cancel()
        await asyncio.sleep(0)
        desk.pool.holds = False
        desk.pool.held.pop()()
        return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(together())
    assert len(desk.asked) == 1
    assert isinstance(found[0], asyncio.CancelledError)
    assert {one.user_id for one in found[1:]} == {"alice"}


def test_what_has_not_the_form_of_a_secret_asks_nothing(desk: Desk) -> None:
    for wrong in ("rushes_", "rushes_" + "a" * 49, new_secret()[:-1], "rushes_\u0660" + "0" * 48):
        assert isinstance(desk.one(wrong), CredentialsInvalid)
    assert desk.asked == []


def test_what_is_not_known_is_remembered_too(desk: Desk) -> None:
    secret = new_secret()
    for _ in range(3):
        assert isinstance(desk.one(secret), CredentialsInvalid)
    assert len(desk.asked) == 1


def test_a_flood_of_made_up_keys_asks_at_a_rate_and_keys_in_use_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = desk.new()
    desk.one(good)
    monkeypatch.setattr(key_ring, "MOST_REMEMBERED", 100)

    found = desk.verify(*(new_secret() for _ in range(3 * key_ring.NEW_BURST)))

    assert len(desk.asked) <= key_ring.NEW_BURST
    assert {type(one) for one in found} == {CredentialsInvalid, RateLimited}
    assert len(desk.ring._unknown) == 100
    desk.now += CACHE_SECONDS
    desk.verify(*(new_secret() for _ in range(3 * key_ring.NEW_BURST)))
    assert desk.one(good).user_id == "alice"


def test_an_expired_key_says_so(desk: Desk) -> None:
    expired = desk.new(expire_time=NOW * 1000)

    assert isinstance(desk.one(expired), CredentialsExpired)
    assert desk.used == []


def test_a_key_expires_between_two_questions_too(desk: Desk) -> None:
    secret = desk.new(expire_time=NOW * 1000 + 1000)
    assert desk.one(secret).user_id == "alice"

    desk.now += 1
    assert isinstance(desk.one(secret), CredentialsExpired)
    assert len(desk.asked) == 1


def test_a_use_is_noted_once_an_hour(desk: Desk) -> None:
    hour = NOW * 1000 - NOW * 1000 % HOUR_MS
    secret = desk.new(last_use_time=hour - HOUR_MS)
    key = desk.keys[hash_of(secret)]
    desk.one(secret)
    assert desk.used == [(key.api_key_id, hour)]

    desk.keys[hash_of(secret)] = new_key(last_use_time=hour)
    desk.now += CACHE_SECONDS
    desk.one(secret)
    assert len(desk.used) == 1


def test_without_the_database_nobody_is_let_in_and_nothing_is_remembered(desk: Desk) -> None:
    secret = desk.new()
    desk.away = True
    assert isinstance(desk.one(secret), DependencyUnavailable)

    desk.away = False
    assert desk.one(secret).user_id == "alice"
