"""Who may call, and how everyone else is refused."""

import time
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rushes.v1 import media_service_pb2 as pb
from server.services import SERVICES
from tests.house import House
from tests.rpc.requests import video
from tests.security.calls import METHODS, request_of

Code = grpc.StatusCode
EVERY: list[tuple[str, Message]] = [
    (method.name, request_of(method)) for method in METHODS.values()
]


@pytest.mark.parametrize(("method", "request_"), EVERY, ids=[name for name, _ in EVERY])
def test_a_stranger_is_refused(house: House, method: str, request_: Message) -> None:
    none = house.caller_with().refused(method, request_)
    bad = house.caller_with("Bearer nonsense").refused(method, request_)
    now = int(time.time())
    old = house.token("alice", iat=now - 7200, exp=now - 3600)
    expired = house.caller_with(f"Bearer {old}").refused(method, request_)
    assert {none.code, bad.code, expired.code} == {Code.UNAUTHENTICATED}
    assert none.reason == "CREDENTIALS_MISSING"
    assert bad.reason == "CREDENTIALS_INVALID"
    assert expired.reason == "CREDENTIALS_EXPIRED"


def test_a_stranger_s_bytes_are_not_even_parsed(house: House) -> None:
    send = house.channel.unary_unary("/rushes.v1.MediaService/GenerateVideo")
    with pytest.raises(grpc.RpcError) as caught:
        send(b"\xff" * 20)
    error: Any = caught.value
    assert error.code() is Code.UNAUTHENTICATED


def test_two_authorization_headers_are_refused(house: House) -> None:
    token = f"Bearer {house.token('alice')}"
    refusal = house.caller_with(token, token).refused("ListJobs", pb.ListJobsRequest())
    assert refusal.reason == "CREDENTIALS_INVALID"


def test_the_token_s_subject_is_the_caller(house: House) -> None:
    job = house.caller("zoë").call("GenerateVideo", video()).job
    assert job.user_id == "zoë"


def test_all_forged_tokens_are_refused_in_the_same_words(house: House) -> None:
    other = b"another key of thirty-two bytes!"
    good = jwt.decode(house.token("alice"), options={"verify_signature": False})
    bad = [
        "x",
        house.token("alice")[:-5],
        jwt.encode({"sub": "alice"}, other, "HS256"),
        jwt.encode(good, other, "HS256"),
        jwt.encode({**good, "aud": "another"}, other, "HS256"),
        jwt.encode({**good, "exp": 5}, other, "HS256"),
        jwt.encode(good, house.jwt_key * 2, "HS512"),
    ]
    refusals = {
        (refusal.code, refusal.reason, refusal.message)
        for token in bad
        for refusal in [
            house.caller_with(f"Bearer {token}").refused("ListJobs", pb.ListJobsRequest())
        ]
    }
    assert len(refusals) == 1


def test_the_maker_of_a_token_hears_which_claim_is_wrong(house: House) -> None:
    now = int(time.time())
    said = {
        "lacks the claim iat": {"iat": None},
        'aud must be the text "rushes"': {"aud": "another"},
        "lasts 90000 s from iat to exp; at most 86400 s": {"iat": now, "exp": now + 90_000},
        "iat is in the future": {"iat": now + 600},
    }
    for words, claims in said.items():
        token = house.token("alice", **claims)
        refusal = house.caller_with(f"Bearer {token}").refused("ListJobs", pb.ListJobsRequest())
        assert (refusal.code, refusal.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
        assert words in refusal.message


def test_health_is_open_and_says_serving(house: House) -> None:
    check: Any = health_pb2_grpc.HealthStub(house.channel)
    for service in ("", *(service.name for service in SERVICES)):
        answer = check.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_burst_above_the_rate_is_refused_and_told_when_to_come_back(house: House) -> None:
    alice = house.caller("alice")
    pending = [alice.start("ListModels", pb.ListModelsRequest()) for _ in range(400)]
    codes = [call.code() for call in pending]
    assert codes.count(Code.OK) >= 200
    refused = next(call for call in pending if call.code() is not Code.OK)
    assert refused.code() is Code.RESOURCE_EXHAUSTED
    assert house.caller("bob").call("ListModels", pb.ListModelsRequest()).models
