"""API keys: made, shown once, used, and revoked everywhere."""

import time
from typing import Any

import grpc
import pytest

from core.api_keys import DAY_MS
from core.ids import is_id, new_id
from core.scopes import OVER_OTHERS, Scope
from core.store import keys
from rushes.v1 import account_service_pb2 as pb
from rushes.v1 import media_service_pb2 as media
from server.interceptors import key_ring
from server.rights import SCOPES
from server.watch import keyed
from tests.house import Caller, House, read_refusal
from tests.making import kept_key
from tests.rpc.requests import image
from tests.services import wait_for

Code = grpc.StatusCode
LIST = media.ListJobsRequest()
ABLE = [scope for scope in Scope if scope is not Scope.KEYS_WRITE]


def key_request(*scopes: str, label: str = "laptop", days: float = 0) -> pb.CreateApiKeyRequest:
    request = pb.CreateApiKeyRequest(label=label, scopes=scopes or ["jobs.read"])
    if days:
        request.expire_time.FromMilliseconds(int(time.time() * 1000 + days * DAY_MS))
    return request


def made(house: House, *scopes: str, user: str = "alice") -> pb.CreateApiKeyResponse:
    return house.caller(user).call("CreateApiKey", key_request(*scopes))  # type: ignore[no-any-return]


def with_key(house: House, secret: str) -> Caller:
    return house.caller_with(f"Bearer {secret}")


def days_left(key: pb.ApiKey) -> float:
    return (key.expire_time.ToMilliseconds() / 1000 - time.time()) / 86400


def test_a_key_speaks_for_its_user(house: House) -> None:
    # Given a key of alice, and a job of hers
    answer = made(house, "jobs.read", "jobs.write")
    caller = with_key(house, answer.secret)

    # When it is used instead of a token
    job = caller.call("GenerateImage", image()).job

    # Then alice did it
    assert job.user_id == "alice"
    assert [one.job_id for one in caller.call("ListJobs", LIST).jobs] == [job.job_id]
    assert house.caller("alice").call("ListJobs", LIST).jobs[0].job_id == job.job_id


def test_a_new_key_shows_its_secret_once_and_what_it_is(house: House) -> None:
    answer = made(house, "jobs.read", "media.read")
    key = answer.api_key

    assert answer.secret.startswith("rushes_")
    assert is_id(key.api_key_id)
    assert (key.label, list(key.scopes)) == ("laptop", ["jobs.read", "media.read"])
    assert key.secret_prefix == answer.secret[:12]
    assert 89.9 < days_left(key) <= 90
    assert not key.HasField("last_use_time")
    assert not key.HasField("revoke_time")
    [listed] = house.caller("alice").call("ListApiKeys", pb.ListApiKeysRequest()).api_keys
    assert listed == key


def test_only_a_hash_of_the_secret_is_kept(house: House) -> None:
    secret = made(house).secret
    with_key(house, secret).call("ListJobs", LIST)

    for path in house.settings.data_dir.glob("rushes.db*"):
        content = path.read_bytes()
        assert secret.encode() not in content
        assert secret[12:].encode() not in content


@pytest.mark.parametrize("scope", ABLE)
def test_a_key_may_do_what_its_scope_says_and_nothing_else(house: House, scope: Scope) -> None:
    _, secret = kept_key(house.db, scopes=(str(scope),))

    for path, needed in SCOPES.items():
        send: Any = house.channel.unary_unary(path)
        streams = path.endswith(("WatchJobs", "WatchAllJobs"))
        try:
            if streams:
                call = house.channel.unary_stream(path)(b"", metadata=_signed(secret), timeout=10)
                next(iter(call))
                call.cancel()
            else:
                send(b"", metadata=_signed(secret), timeout=10)
        except grpc.RpcError as error:
            missing = read_refusal(error).reason == "SCOPE_MISSING"
        else:
            missing = False
        assert missing == (needed is not scope), path


def _signed(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def test_a_key_gets_no_scope_that_its_maker_lacks(house: House) -> None:
    token = house.token("alice", scope="keys.write jobs.read account.read")
    maker = house.caller_with(f"Bearer {token}")

    assert list(maker.call("CreateApiKey", key_request("jobs.read")).api_key.scopes) == [
        "jobs.read"
    ]
    refusal = maker.refused("CreateApiKey", key_request("jobs.read", "jobs.write"))
    assert (refusal.code, refusal.reason) == (Code.PERMISSION_DENIED, "SCOPE_MISSING")
    assert refusal.metadata == {"scope": "jobs.write"}


@pytest.mark.parametrize("scope", sorted(OVER_OTHERS))
def test_a_usual_token_makes_no_key_that_reaches_over_others(house: House, scope: Scope) -> None:
    refusal = house.caller("alice").refused("CreateApiKey", key_request(scope))
    assert (refusal.reason, refusal.metadata) == ("SCOPE_MISSING", {"scope": scope})

    token = house.token("alice", scope=f"keys.write {scope}")
    answer = house.caller_with(f"Bearer {token}").call("CreateApiKey", key_request(scope))
    assert list(answer.api_key.scopes) == [scope]


def test_a_key_makes_and_revokes_no_keys(house: House) -> None:
    token = house.token("alice", scope=" ".join(Scope))
    maker = house.caller_with(f"Bearer {token}")
    refusal = maker.refused("CreateApiKey", key_request("keys.write"))
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("scopes[0]",))

    answer = maker.call("CreateApiKey", key_request(*ABLE))
    caller = with_key(house, answer.secret)
    revoke = pb.RevokeApiKeyRequest(api_key_id=answer.api_key.api_key_id)
    for method, request in (("CreateApiKey", key_request()), ("RevokeApiKey", revoke)):
        assert caller.refused(method, request).metadata == {"scope": "keys.write"}


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.CreateApiKeyRequest(scopes=["jobs.read"]), "label"),
        (key_request(label=" "), "label"),
        (key_request(label="x" * 101), "label"),
        (key_request(label="two\nlines"), "label"),
        (key_request(label="\u202eturned"), "label"),
        (pb.CreateApiKeyRequest(label="x"), "scopes"),
        (key_request("jobs.read", "JOBS.WRITE"), "scopes[1]"),
        (key_request("jobs.read media.read"), "scopes[0]"),
        (key_request(""), "scopes[0]"),
        (key_request(days=-1), "expire_time"),
        (key_request(days=367), "expire_time"),
    ],
)
def test_what_is_wrong_is_named_and_no_key_is_made(
    house: House, request_: pb.CreateApiKeyRequest, field: str
) -> None:
    before = house.count_rows()
    refusal = house.caller("alice").refused("CreateApiKey", request_)

    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "FIELD_INVALID")
    assert refusal.fields == (field,)
    assert house.count_rows() == before


def test_a_scope_named_twice_counts_once_and_a_year_is_not_too_long(house: House) -> None:
    request = key_request("jobs.read", "jobs.read", label="x" * 100, days=365.9)
    key = house.caller("alice").call("CreateApiKey", request).api_key

    assert list(key.scopes) == ["jobs.read"]
    assert days_left(key) > 365


def test_a_user_has_only_so_many_keys(house_loop: Any, house: House) -> None:
    most = house.settings.max_api_keys
    alice = house.caller("alice")
    made_keys = [alice.call("CreateApiKey", key_request()).api_key for _ in range(most)]

    refusal = alice.refused("CreateApiKey", key_request())
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "RESOURCE_LIMIT_REACHED")
    assert refusal.metadata == {"resource": "API keys", "limit": str(most)}

    alice.call("RevokeApiKey", pb.RevokeApiKeyRequest(api_key_id=made_keys[0].api_key_id))
    alice.call("CreateApiKey", key_request())
    house.caller("bob").call("CreateApiKey", key_request())


def test_keys_are_listed_newest_first_by_pages_and_to_their_user_alone(house: House) -> None:
    for _ in range(5):
        made(house)
    alice, pages, token = house.caller("alice"), [], ""
    while len(pages) < 3:
        request = pb.ListApiKeysRequest(page_size=2, page_token=token)
        answer = alice.call("ListApiKeys", request)
        pages.append(list(answer.api_keys))
        token = answer.next_page_token
    found = [key for page in pages for key in page]

    assert [len(page) for page in pages] == [2, 2, 1]
    assert token == ""
    assert found == list(alice.call("ListApiKeys", pb.ListApiKeysRequest()).api_keys)
    newest = sorted(found, key=lambda k: (k.create_time.ToNanoseconds(), k.api_key_id))[::-1]
    assert found == newest
    assert not house.caller("bob").call("ListApiKeys", pb.ListApiKeysRequest()).api_keys


def test_a_page_token_of_another_list_or_user_is_refused(house: House) -> None:
    made(house), made(house)
    alice = house.caller("alice")
    request = pb.ListApiKeysRequest(page_size=1)
    request.page_token = alice.call("ListApiKeys", request).next_page_token

    assert house.caller("bob").refused("ListApiKeys", request).reason == "PAGE_TOKEN_INVALID"
    jobs = media.ListJobsRequest(page_token=request.page_token)
    assert alice.refused("ListJobs", jobs).reason == "PAGE_TOKEN_INVALID"
    wrong = pb.ListApiKeysRequest(page_size=-1)
    assert alice.refused("ListApiKeys", wrong).fields == ("page_size",)


def test_a_use_is_shown_to_the_hour(house: House) -> None:
    answer = made(house)
    with_key(house, answer.secret).call("ListJobs", LIST)

    def used() -> bool:
        [key] = house.caller("alice").call("ListApiKeys", pb.ListApiKeysRequest()).api_keys
        return bool(key.HasField("last_use_time")) and key.last_use_time.seconds % 3600 == 0

    wait_for(used, "the use to be noted")


def test_a_revoked_key_is_refused_and_listed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "CACHE_SECONDS", 0.05)
    answer = made(house)
    caller, alice = with_key(house, answer.secret), house.caller("alice")
    caller.call("ListJobs", LIST)

    # When it is revoked, twice
    request = pb.RevokeApiKeyRequest(api_key_id=answer.api_key.api_key_id)
    revoked = alice.call("RevokeApiKey", request).api_key
    assert revoked.HasField("revoke_time")
    assert alice.call("RevokeApiKey", request).api_key.revoke_time == revoked.revoke_time

    # Then it lets nobody in, and is still listed
    def refused() -> bool:
        try:
            caller.call("ListJobs", LIST)
        except grpc.RpcError as error:
            refusal = read_refusal(error)
            return (refusal.code, refusal.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
        return False

    wait_for(refused, "the key to be refused")
    [listed] = alice.call("ListApiKeys", pb.ListApiKeysRequest()).api_keys
    assert listed.revoke_time == revoked.revoke_time


def test_nobody_else_s_key_can_be_revoked(house: House) -> None:
    answer = made(house)
    bob = house.caller("bob")

    theirs = pb.RevokeApiKeyRequest(api_key_id=answer.api_key.api_key_id)
    nobody_s = pb.RevokeApiKeyRequest(api_key_id=new_id())
    assert bob.refused("RevokeApiKey", theirs) == bob.refused("RevokeApiKey", nobody_s)
    assert bob.refused("RevokeApiKey", theirs).code is Code.NOT_FOUND
    with_key(house, answer.secret).call("ListJobs", LIST)


def test_watches_of_a_revoked_key_end_and_others_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given watches of alice: with two keys and with a token
    monkeypatch.setattr(keyed, "RECHECK_SECONDS", 0.05)
    first, second = (made(house, "jobs.read") for _ in range(2))
    callers = [with_key(house, first.secret), with_key(house, second.secret)]
    ended, *others = [c.stream(media.WatchJobsRequest()) for c in (*callers, house.caller("alice"))]
    next(ended)
    for watch in others:
        next(watch)

    # When the first key is revoked
    request = pb.RevokeApiKeyRequest(api_key_id=first.api_key.api_key_id)
    house.caller("alice").call("RevokeApiKey", request)

    # Then its watch ends with the reason and a token that goes on elsewhere
    answers = []
    with pytest.raises(grpc.RpcError) as caught:
        answers.extend(ended)
    last = answers[-1]
    assert read_refusal(caught.value).reason == "CREDENTIALS_INVALID"
    assert [event.WhichOneof("event") for event in last.events] == ["end"]
    assert last.resume_token

    # And the others hear what happens
    house.caller("alice").call("GenerateImage", image())
    for watch in others:
        assert any("a paper boat" in str(answer) for answer in watch)
        watch.cancel()
    again = media.WatchJobsRequest(resume_token=last.resume_token)
    resumed = callers[1].stream(again)
    assert any("a paper boat" in str(answer) for answer in resumed)
    resumed.cancel()


def test_an_expired_key_is_listed_and_refused(house: House) -> None:
    key, secret = kept_key(house.db, expire_time=house.db.now_ms() - 1000)

    refusal = with_key(house, secret).refused("ListJobs", LIST)
    assert (refusal.code, refusal.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED")
    [listed] = house.caller("alice").call("ListApiKeys", pb.ListApiKeysRequest()).api_keys
    assert listed.api_key_id == key.api_key_id
    assert keys.revoke(house.db, "alice", key.api_key_id).revoke_time


def test_a_watch_ends_when_its_key_expires(house: House) -> None:
    _, secret = kept_key(house.db, expire_time=house.db.now_ms() + 1500)
    watch = with_key(house, secret).stream(media.WatchJobsRequest())
    next(watch)

    with pytest.raises(grpc.RpcError) as caught:
        for _ in watch:
            pass
    assert read_refusal(caught.value).reason == "CREDENTIALS_EXPIRED"


def test_no_log_line_has_a_secret(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = made(house).secret
    with_key(house, secret).call("ListJobs", LIST)
    with_key(house, secret[:-1]).refused("ListJobs", LIST)

    printed = capsys.readouterr()
    assert secret[12:40] not in printed.out + printed.err + caplog.text
