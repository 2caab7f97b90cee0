"""The classifier, over both trees of errors of the SDK, raw answers, and transport failures."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from core.errors import Reason
from core.jobs import CostState
from workers.providers import OutcomeUnknown, ProviderFailed, TryLater
from workers.providers.gemini.client import open_client
from workers.providers.gemini.errors import (
    is_filter,
    poll_refused,
    read_refusal,
    submit_error,
)

SECRET = "what nobody may read"
SECONDS = 300.0
Handler = Callable[[httpx2.Request], httpx2.Response]
Wrong = ProviderFailed | TryLater | OutcomeUnknown
Submit = Callable[[Handler], Wrong]


def error_body(status: int, name: str, *details: dict[str, Any]) -> dict[str, Any]:
    error = {"code": status, "message": f"About {SECRET}.", "status": name}
    return {"error": error | ({"details": list(details)} if details else {})}


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name}


def quota(name: str) -> dict[str, Any]:
    return {"@type": "…QuotaFailure", "violations": [{"quotaId": name}]}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": "…RetryInfo", "retryDelay": delay}


class Line:
    """A client whose requests all go to `handler`, and are counted."""

    def __init__(self) -> None:
        self.handler: Handler = lambda _: httpx2.Response(500)
        self.sent: list[str] = []
        http = httpx2.Client(transport=httpx2.MockTransport(self._answer))
        self.client = open_client(http, SecretStr("key"), "", SECONDS)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request.method)
        return self.handler(request)


@pytest.fixture(scope="module")
def line() -> Line:
    return Line()


def interaction(client: Any) -> None:
    client.interactions.create(model="gemini-omni-1.2-flash", background=True, input="sea")


def picture(client: Any) -> None:
    config = {"automatic_continuation": False}
    client.models.generate_content(model="m", contents="sea", config=config)


@pytest.fixture(params=[interaction, picture], ids=["interactions", "models"])
def submit(request: pytest.FixtureRequest, line: Line) -> Submit:
    """What a submit comes to that is answered like that; it is sent once."""

    def run(handler: Handler) -> Wrong:
        line.handler = handler
        line.sent.clear()
        with pytest.raises(Exception) as error:  # noqa: PT011 - of three trees
            request.param(line.client)
        assert line.sent == ["POST"]
        return submit_error(error.value)

    return run


def answers(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Handler:
    content = body if isinstance(body, str) else json.dumps(body or error_body(status, "NAME"))
    kind = {"content-type": "application/json", **(headers or {})}
    return lambda _: httpx2.Response(status, content=content, headers=kind)


REJECTED = [
    (400, error_body(400, "INVALID_ARGUMENT"), Reason.PROVIDER_REJECTED),
    (400, error_body(400, "FAILED_PRECONDITION"), Reason.PROVIDER_REJECTED),
    (404, error_body(404, "NOT_FOUND"), Reason.PROVIDER_REJECTED),
    (413, "no JSON", Reason.PROVIDER_REJECTED),
    (422, [], Reason.PROVIDER_REJECTED),
    (
        400,
        error_body(400, "INVALID_ARGUMENT", reason("API_KEY_INVALID")),
        Reason.PROVIDER_AUTH_FAILED,
    ),
    (401, error_body(401, "UNAUTHENTICATED"), Reason.PROVIDER_AUTH_FAILED),
    (403, [error_body(403, "PERMISSION_DENIED")], Reason.PROVIDER_AUTH_FAILED),
    (400, error_body(400, "PROHIBITED_CONTENT"), Reason.CONTENT_FILTERED),
    (400, [error_body(400, "SAFETY")], Reason.CONTENT_FILTERED),
    (400, error_body(400, "INVALID_ARGUMENT", reason("BLOCKLIST")), Reason.CONTENT_FILTERED),
    (
        429,
        error_body(429, "RESOURCE_EXHAUSTED", quota("RequestsPerDayPerProject")),
        Reason.PROVIDER_QUOTA_EXHAUSTED,
    ),
]


@pytest.mark.parametrize(("status", "body", "expected"), REJECTED)
def test_a_refusal_is_free_and_has_its_reason(
    submit: Submit, status: int, body: Any, expected: Reason
) -> None:
    error = submit(answers(status, body))
    assert isinstance(error, ProviderFailed)
    assert error.failure.reason is expected
    assert error.cost is CostState.RELEASED


@pytest.mark.parametrize("status", [302, 408, 409, 500, 502, 503, 504, 529])
def test_an_answer_that_may_hide_an_acceptance_leaves_the_outcome_unknown(
    submit: Submit, status: int
) -> None:
    assert isinstance(submit(answers(status)), OutcomeUnknown)


def test_an_answer_that_can_not_be_read_leaves_the_outcome_unknown(
    submit: Submit,
) -> None:
    assert isinstance(submit(answers(200, "{")), OutcomeUnknown)


@pytest.mark.parametrize(
    ("body", "headers", "delay_ms"),
    [
        (None, {}, None),
        (None, {"retry-after": "7"}, 7000),
        (error_body(429, "RESOURCE_EXHAUSTED", retry("3.5s")), {}, 3500),
        (error_body(429, "RESOURCE_EXHAUSTED", quota("RequestsPerMinute")), {}, None),
    ],
)
def test_a_busy_service_is_tried_later_when_it_says(
    submit: Submit, body: Any, headers: dict[str, str], delay_ms: int | None
) -> None:
    error = submit(answers(429, body, headers))
    assert isinstance(error, TryLater)
    assert (error.sent, error.delay_ms) == (True, delay_ms)
    assert error.failure.reason is Reason.PROVIDER_QUOTA_EXHAUSTED
    assert ("retry_time" in error.failure.metadata) is (delay_ms is not None)


def raises(error: Exception) -> Handler:
    def handler(_: httpx2.Request) -> httpx2.Response:
        raise error

    return handler


@pytest.mark.parametrize("kind", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError])
def test_what_never_left_can_be_sent_later(
    submit: Submit, kind: type[httpx2.TransportError]
) -> None:
    error = submit(raises(kind("no way")))
    assert isinstance(error, TryLater)
    assert not error.sent
    assert error.failure.reason is Reason.PROVIDER_UNAVAILABLE


@pytest.mark.parametrize(
    "kind",
    [
        httpx2.ReadTimeout,
        httpx2.WriteTimeout,
        httpx2.ReadError,
        httpx2.WriteError,
        httpx2.RemoteProtocolError,
        httpx2.CloseError,
    ],
)
def test_what_broke_on_the_way_leaves_the_outcome_unknown(
    submit: Submit, kind: type[httpx2.TransportError]
) -> None:
    assert isinstance(submit(raises(kind("cut"))), OutcomeUnknown)


def test_nothing_that_google_says_is_repeated(submit: Submit) -> None:
    for status in (400, 401, 429, 503):
        error = submit(answers(status))
        assert SECRET not in f"{error} {error!r} {getattr(error, 'failure', '')!r}"
    odd = error_body(400, f"{SECRET} 1234567890")
    error = submit(answers(400, odd))
    assert isinstance(error, ProviderFailed)
    assert error.failure.metadata == {"code": "400"}


POLLS = [
    (404, error_body(404, "NOT_FOUND"), Reason.PROVIDER_OPERATION_LOST),
    (410, None, Reason.PROVIDER_OPERATION_LOST),
    (
        400,
        {"error": {"code": "invalid_request", "message": "Invalid interaction name: x"}},
        Reason.PROVIDER_OPERATION_LOST,
    ),
    (400, error_body(400, "INVALID_ARGUMENT"), Reason.PROVIDER_UNAVAILABLE),
    (400, error_body(400, "X", reason("API_KEY_INVALID")), Reason.PROVIDER_AUTH_FAILED),
    (401, None, Reason.PROVIDER_AUTH_FAILED),
    (403, None, Reason.PROVIDER_AUTH_FAILED),
    (429, None, Reason.PROVIDER_QUOTA_EXHAUSTED),
    (500, None, Reason.PROVIDER_UNAVAILABLE),
    (503, "no JSON", Reason.PROVIDER_UNAVAILABLE),
]


@pytest.mark.parametrize(("status", "body", "expected"), POLLS)
def test_a_question_ends_a_job_only_when_its_operation_is_gone(
    status: int, body: Any, expected: Reason
) -> None:
    response = answers(status, body, {"retry-after": "2"})(httpx2.Request("GET", "http://x"))
    error = poll_refused(read_refusal(response), "v1_x")
    assert error.failure.reason is expected
    if expected is Reason.PROVIDER_OPERATION_LOST:
        assert isinstance(error, ProviderFailed)
        assert error.cost is CostState.UNCERTAIN
        assert error.failure.metadata == {"operation": "v1_x"}
    else:
        assert isinstance(error, TryLater)
        assert error.delay_ms == 2000


@pytest.mark.parametrize(
    ("code", "is_one"),
    [
        ("SAFETY", True),
        ("image_safety", True),
        ("https://ai.google.dev/errors/prohibited_content", True),
        # Words of other things.
        ("API_KEY_SERVICE_BLOCKED", False),
        ("safety_settings", False),
        ("", False),
    ],
)
def test_a_filter_is_told_by_its_whole_code(code: str, is_one: bool) -> None:
    assert is_filter(code) is is_one
