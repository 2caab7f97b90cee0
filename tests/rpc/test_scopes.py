"""Scopes: each method needs one, and a token says which it has."""

from typing import Any

import grpc
import pytest

from core.scopes import OVER_OTHERS, USUAL_SCOPES, Scope
from rushes.v1 import media_service_pb2 as pb
from server.rights import SCOPES
from server.services import PLANNED, SERVICES
from tests.house import House, read_refusal
from tests.security.calls import METHODS

Code = grpc.StatusCode
DESCRIPTORS = (*(service.descriptor for service in SERVICES), *PLANNED)
PATHS = [
    f"/{service.full_name}/{method.name}" for service in DESCRIPTORS for method in service.methods
]


def refusal(house: House, path: str, **claims: Any) -> Any:
    """How a call without content is refused; None when it is not."""
    service, method = path.removeprefix("/").split("/")
    found = METHODS.get(f"{service}.{method}")
    streams = found is not None and found.server_streaming
    make = house.channel.unary_stream if streams else house.channel.unary_unary
    send = make(path, bytes, bytes)
    metadata = (("authorization", f"Bearer {house.token('alice', **claims)}"),)
    try:
        answer = send(b"", metadata=metadata, timeout=10)
        next(answer) if streams else None
    except grpc.RpcError as error:
        return read_refusal(error)
    return None


def test_the_table_has_each_method_of_the_contract_and_no_other() -> None:
    assert sorted(SCOPES) == sorted(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_a_token_with_every_other_scope_is_refused_by_name(house: House, path: str) -> None:
    # Given a token with all scopes but that of the method
    others = " ".join(scope for scope in Scope if scope is not SCOPES[path])

    # When it calls
    found = refusal(house, path, scope=others)

    # Then the scope that it lacks is named
    assert (found.code, found.reason) == (Code.PERMISSION_DENIED, "SCOPE_MISSING")
    assert found.metadata == {"scope": SCOPES[path]}


@pytest.mark.parametrize("path", PATHS)
def test_a_token_with_the_scope_alone_is_let_in(house: House, path: str) -> None:
    found = refusal(house, path, scope=SCOPES[path])

    assert found is None or found.reason != "SCOPE_MISSING"


@pytest.mark.parametrize("path", PATHS)
def test_a_token_without_the_claim_reaches_over_no_other_user(house: House, path: str) -> None:
    found = refusal(house, path)

    is_refused = found is not None and found.reason == "SCOPE_MISSING"
    assert is_refused == (SCOPES[path] in OVER_OTHERS)
    assert (SCOPES[path] in USUAL_SCOPES) != is_refused


@pytest.mark.parametrize("scope", ["", "openid profile", "JOBS.READ", "jobs.read2", "jobs"])
def test_a_claim_without_a_scope_of_ours_allows_nothing(house: House, scope: str) -> None:
    found = refusal(house, "/rushes.v1.MediaService/ListJobs", scope=scope)

    assert found.reason == "SCOPE_MISSING"


def test_scopes_of_other_services_may_stand_beside_ours(house: House) -> None:
    found = refusal(house, "/rushes.v1.MediaService/ListJobs", scope="openid jobs.read  email")

    assert found is None


@pytest.mark.parametrize("scope", [["jobs.read"], 7, {"jobs.read": True}, True])
def test_a_claim_that_is_no_text_is_refused(house: House, scope: Any) -> None:
    found = refusal(house, "/rushes.v1.MediaService/ListJobs", scope=scope)

    assert (found.code, found.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert "scope" in found.message


def test_a_refused_call_does_nothing(house: House) -> None:
    before = house.count_rows()
    token = house.token("alice", scope="jobs.read media.read")
    request = pb.GenerateImageRequest()
    request.spec.prompt = "a boat"

    found = house.caller_with(f"Bearer {token}").refused("GenerateImage", request)

    assert found.reason == "SCOPE_MISSING"
    assert house.count_rows() == before
