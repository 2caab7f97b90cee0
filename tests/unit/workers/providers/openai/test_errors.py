"""What each error of a call means, by status, by code, and by how the connection failed."""

from typing import Any

import httpx2
import openai
import pytest

from core.errors import Reason
from core.jobs import CostState
from workers.providers import OutcomeUnknown, ProviderFailed, TryLater
from workers.providers.openai.errors import submit_error

REQUEST = httpx2.Request("POST", "https://api.openai.com/v1/images/generations")
SDK = openai.OpenAI(api_key="k", max_retries=0, http_client=httpx2.Client())
SECRET = "a prompt that OpenAI repeats in its message"


def of_status(status: int, headers: dict[str, str] | None = None, **error: Any) -> Exception:
    """The SDK's exception for an answer of that status and error."""
    body = {"error": {"message": SECRET, "type": None, "param": None, "code": None, **error}}
    response = httpx2.Response(status, json=body, headers=headers, request=REQUEST)
    return SDK._make_status_error_from_response(response)


def lost(cause: Exception, kind: type[openai.APIConnectionError]) -> Exception:
    """The SDK's exception for a transport error."""
    error = kind(request=REQUEST)
    error.__cause__ = cause
    return error


def meaning(error: Exception, has_inputs: bool = False) -> Any:
    found = submit_error(error, has_inputs=has_inputs)
    assert SECRET not in f"{found!r} {found} {getattr(found, 'failure', '')}"
    return found


REFUSED = Reason.PROVIDER_REJECTED
AUTH = Reason.PROVIDER_AUTH_FAILED
QUOTA = Reason.PROVIDER_QUOTA_EXHAUSTED
FILTERED = Reason.CONTENT_FILTERED


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (400, {"code": "invalid_value"}, REFUSED),
        (400, {}, REFUSED),
        (400, {"code": "unknown_parameter"}, REFUSED),
        (400, {"code": "billing_hard_limit_reached"}, QUOTA),
        (400, {"code": "moderation_blocked"}, FILTERED),
        (400, {"code": "content_policy_violation"}, FILTERED),
        (403, {"code": "moderation_blocked"}, FILTERED),
        (401, {"code": "invalid_api_key"}, AUTH),
        (401, {}, AUTH),
        (403, {"code": "unsupported_country_region_territory"}, AUTH),
        (404, {"code": "model_not_found"}, REFUSED),
        (405, {}, REFUSED),
        (413, {}, REFUSED),
        (415, {}, REFUSED),
        (422, {}, REFUSED),
        (429, {"code": "insufficient_quota", "type": "insufficient_quota"}, QUOTA),
        (429, {"type": "insufficient_quota"}, QUOTA),
    ],
)
def test_a_refusal_is_free(status: int, error: dict[str, Any], reason: Reason) -> None:
    found = meaning(of_status(status, **error))
    assert isinstance(found, ProviderFailed)
    assert (found.failure.reason, found.cost) == (reason, CostState.RELEASED)


@pytest.mark.parametrize("status", [200, 302, 307, 408, 409, 500, 502, 503, 504, 520, 524, 529])
def test_after_these_nobody_knows(status: int) -> None:
    assert isinstance(meaning(of_status(status)), OutcomeUnknown)
    # Whatever reason it gives.
    assert isinstance(meaning(of_status(status, code="content_filter")), OutcomeUnknown)


def test_too_many_requests_are_sent_again_later() -> None:
    found = meaning(of_status(429, code="rate_limit_exceeded"))
    assert isinstance(found, TryLater)
    assert (found.sent, found.delay_ms) == (True, None)
    assert found.failure.reason is QUOTA
    assert found.failure.metadata == {"code": "rate_limit_exceeded"}


@pytest.mark.parametrize(
    ("headers", "delay_ms"), [({"retry-after": "7"}, 7000), ({"retry-after-ms": "20"}, 20)]
)
def test_and_when_the_answer_says(headers: dict[str, str], delay_ms: int) -> None:
    found = meaning(of_status(429, headers))
    assert found.delay_ms == delay_ms
    assert "retry_time" in found.failure.metadata


@pytest.mark.parametrize(
    ("stage", "has_inputs", "phase"),
    [
        ("input", False, "prompt"),
        ("input", True, "input"),
        ("output", False, "output"),
        ("output", True, "output"),
        (None, False, "prompt"),
        (None, True, "input"),
    ],
)
def test_a_filter_says_where_it_acted(stage: str | None, has_inputs: bool, phase: str) -> None:
    details = {"moderation_details": {"moderation_stage": stage}} if stage else {}
    found = meaning(of_status(400, code="moderation_blocked", **details), has_inputs)
    assert found.failure.reason is FILTERED
    assert found.failure.metadata == {"phase": phase, "code": "moderation_blocked"}


def test_a_refused_key_names_its_setting() -> None:
    found = meaning(of_status(401, code="invalid_api_key"))
    assert found.failure.metadata == {"setting": "RUSHES_OPENAI_API_KEY", "code": "invalid_api_key"}


@pytest.mark.parametrize("code", [SECRET, "sk-1234567890", "x" * 60, "", 7, None, ["a"]])
def test_what_is_no_short_name_is_not_shown(code: object) -> None:
    found = meaning(of_status(400, code=code))
    assert found.failure.metadata == {"code": "400"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b'{"error": "x"}', b"null"])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_answer_of_another_shape_is_judged_by_its_status(status: int, body: bytes) -> None:
    response = httpx2.Response(status, content=body, request=REQUEST)
    found = meaning(SDK._make_status_error_from_response(response))
    kinds = {400: ProviderFailed, 401: ProviderFailed, 429: TryLater, 500: OutcomeUnknown}
    assert isinstance(found, kinds[status])


@pytest.mark.parametrize(
    "cause", [httpx2.ConnectError("x"), httpx2.ConnectTimeout("x"), httpx2.PoolTimeout("x")]
)
def test_what_never_left_is_sent_later(cause: Exception) -> None:
    for kind in (openai.APIConnectionError, openai.APITimeoutError):
        found = meaning(lost(cause, kind))
        assert isinstance(found, TryLater)
        assert not found.sent


@pytest.mark.parametrize(
    "cause",
    [
        httpx2.ReadTimeout("x"),
        httpx2.WriteTimeout("x"),
        httpx2.ReadError("x"),
        httpx2.WriteError("x"),
        httpx2.RemoteProtocolError("x"),
    ],
)
def test_after_a_connection_that_broke_nobody_knows(cause: Exception) -> None:
    assert isinstance(meaning(lost(cause, openai.APIConnectionError)), OutcomeUnknown)
    assert isinstance(meaning(cause), OutcomeUnknown)


def test_after_an_answer_that_can_not_be_read_nobody_knows() -> None:
    response = httpx2.Response(200, content=b"{", request=REQUEST)
    for error in (
        openai.APIResponseValidationError(response, body=None),
        ValueError("no JSON"),
        AttributeError("no data"),
    ):
        assert isinstance(meaning(error), OutcomeUnknown)
