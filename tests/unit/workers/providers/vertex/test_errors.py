from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from google.genai.errors import APIError, ClientError, ServerError

from core.errors import Reason
from core.jobs import CostState
from tests.fakes.vertex import FILTERED_INPUT, FILTERED_PROMPT
from workers.providers import OutcomeUnknown, ProviderFailed, TryLater
from workers.providers.vertex import errors
from workers.providers.vertex.tokens import CredentialsRefused, CredentialsUnreachable

OPERATION = "projects/p/locations/l/publishers/google/models/m/operations/4a45"
CHARGED, RELEASED, UNCERTAIN = CostState.CHARGED, CostState.RELEASED, CostState.UNCERTAIN
REQUEST = httpx2.Request("POST", "https://vertex.example")


def status(code: int, message: str = "secret prompt", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": "NAME", "details": [*details]}}


def answered(code: int, body: Any = None, **headers: str) -> APIError:
    """What the SDK raises for an answer."""
    kind = APIError if code < 400 else ClientError if code < 500 else ServerError
    values = {name.replace("_", "-"): value for name, value in headers.items()}
    return kind(code, status(code) if body is None else body, httpx2.Response(code, headers=values))


def info(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}


@dataclass(frozen=True)
class Case:
    error: Exception
    reason: Reason
    metadata: dict[str, str] | None = None


REFUSED = [
    Case(answered(400), Reason.PROVIDER_REJECTED, {"code": "NAME"}),
    Case(
        answered(400, status(400, "x", {"fieldViolations": [{"field": "parameters.seed"}]})),
        Reason.PROVIDER_REJECTED,
        {"code": "NAME", "provider_field": "parameters.seed"},
    ),
    Case(
        answered(400, status(400, FILTERED_PROMPT)),
        Reason.CONTENT_FILTERED,
        {"phase": "prompt", "support_codes": "29310472"},
    ),
    Case(
        answered(400, status(400, FILTERED_INPUT)),
        Reason.CONTENT_FILTERED,
        {"phase": "input", "support_codes": "15236754"},
    ),
    Case(
        answered(400, status(400, "It violates the usage guidelines.")),
        Reason.CONTENT_FILTERED,
        {"phase": "prompt"},
    ),
    Case(answered(401), Reason.PROVIDER_AUTH_FAILED, {"setting": errors.CREDENTIALS}),
    Case(answered(403), Reason.PROVIDER_AUTH_FAILED, {"setting": errors.CREDENTIALS}),
    Case(
        answered(403, status(403, "x", info("BILLING_DISABLED"))),
        Reason.PROVIDER_AUTH_FAILED,
        {"setting": errors.PROJECT},
    ),
    Case(answered(404), Reason.PROVIDER_REJECTED, {"code": "NAME"}),
    Case(answered(404, "not json"), Reason.PROVIDER_REJECTED, {"code": "404"}),
    Case(answered(413, []), Reason.PROVIDER_REJECTED, {"code": "413"}),
    Case(
        answered(429, status(429, "x", info("Q", quota_limit="RequestsPerDayPerProject"))),
        Reason.PROVIDER_QUOTA_EXHAUSTED,
        {},
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.error}"[:30])
def test_a_submit_that_was_refused_is_free_and_says_why(case: Case) -> None:
    failed = errors.submit_error(case.error)
    assert isinstance(failed, ProviderFailed)
    assert failed.cost is RELEASED
    assert (failed.failure.reason, failed.failure.metadata) == (case.reason, case.metadata)
    assert "secret" not in repr(failed.failure)


def test_credentials_that_are_refused_name_their_setting_and_nothing_was_sent() -> None:
    failed = errors.ready_error(CredentialsRefused())
    assert isinstance(failed, ProviderFailed)
    assert failed.failure.reason is Reason.PROVIDER_AUTH_FAILED
    assert failed.failure.metadata == {"setting": "RUSHES_VERTEX_CREDENTIALS_FILE"}


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("", request=REQUEST),
        httpx2.ConnectTimeout("", request=REQUEST),
        httpx2.PoolTimeout("", request=REQUEST),
        httpx2.ProxyError("", request=REQUEST),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_never_left_may_be_sent_again(error: Exception) -> None:
    later = errors.submit_error(error)
    assert isinstance(later, TryLater)
    assert not later.sent
    assert later.failure.reason is Reason.PROVIDER_UNAVAILABLE


@pytest.mark.parametrize("error", [CredentialsUnreachable(), FileNotFoundError(), MemoryError()])
def test_what_did_not_come_to_sending_is_tried_again(error: Exception) -> None:
    later = errors.ready_error(error)
    assert isinstance(later, TryLater)
    assert not later.sent


@pytest.mark.parametrize(
    "error",
    [
        *(answered(code) for code in (200, 202, 307, 408, 409, 500, 502, 503, 504)),
        httpx2.ReadTimeout("", request=REQUEST),
        httpx2.WriteTimeout("", request=REQUEST),
        httpx2.ReadError("", request=REQUEST),
        httpx2.WriteError("", request=REQUEST),
        httpx2.RemoteProtocolError("", request=REQUEST),
        httpx2.DecodingError("", request=REQUEST),
        ValueError("no json"),
        KeyError("anything else"),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'code', '')}",
)
def test_what_may_have_arrived_is_unknown(error: Exception) -> None:
    assert isinstance(errors.submit_error(error), OutcomeUnknown)


DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize(
    ("error", "delay_ms"),
    [
        (answered(429), None),
        (answered(429, retry_after="7"), 7000),
        (answered(429, retry_after="9" * 25), DAY_MS),
        (answered(429, status(429, "x", {"retryDelay": f"{'9' * 25}s"})), DAY_MS),
        (answered(429, status(429, "x", {"retryDelay": "1.5s"})), 1500),
        (answered(429, status(429, "x", info("Q", quota_limit="RequestsPerMinute"))), None),
    ],
)
def test_too_many_submits_are_refused_for_now(error: Exception, delay_ms: int | None) -> None:
    later = errors.submit_error(error)
    assert isinstance(later, TryLater)
    assert later.sent
    assert later.delay_ms == delay_ms
    assert later.failure.reason is Reason.PROVIDER_QUOTA_EXHAUSTED
    assert ("retry_time" in later.failure.metadata) is (delay_ms is not None)


@pytest.mark.parametrize("code", [200, 302, 400, 405, 408, 409, 412, 429, 451, 500, 503])
def test_a_question_that_is_not_answered_is_asked_again_when_google_says(code: int) -> None:
    response = httpx2.Response(code, headers={"retry-after": "3"})
    later = errors.ask_refused(response, OPERATION)
    assert isinstance(later, TryLater)
    assert later.delay_ms == 3000
    busy = Reason.PROVIDER_QUOTA_EXHAUSTED if code == 429 else Reason.PROVIDER_UNAVAILABLE
    assert later.failure.reason is busy


@pytest.mark.parametrize("code", [401, 403])
def test_a_question_that_is_not_allowed_is_asked_again_for_it_is_paid(code: int) -> None:
    later = errors.ask_refused(httpx2.Response(code), OPERATION)
    assert isinstance(later, TryLater)
    assert later.failure.reason is Reason.PROVIDER_AUTH_FAILED


@pytest.mark.parametrize("code", [404, 410])
def test_an_operation_that_is_gone_is_lost_and_named_without_its_project(code: int) -> None:
    failed = errors.ask_refused(httpx2.Response(code), OPERATION)
    assert isinstance(failed, ProviderFailed)
    assert failed.failure.reason is Reason.PROVIDER_OPERATION_LOST
    assert failed.failure.metadata == {"operation": "4a45"}
    assert failed.cost is UNCERTAIN


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CredentialsRefused(), Reason.PROVIDER_AUTH_FAILED),
        (CredentialsUnreachable(), Reason.PROVIDER_UNAVAILABLE),
        (httpx2.ConnectError("", request=REQUEST), Reason.PROVIDER_UNAVAILABLE),
        (httpx2.ReadTimeout("", request=REQUEST), Reason.PROVIDER_UNAVAILABLE),
    ],
)
def test_a_question_without_an_answer_is_asked_again(error: Any, reason: Reason) -> None:
    later = errors.ask_error(error)
    assert later.failure.reason is reason


@pytest.mark.parametrize(
    ("code", "reason", "cost"),
    [
        (1, Reason.PROVIDER_UNAVAILABLE, UNCERTAIN),
        (3, Reason.PROVIDER_REJECTED, RELEASED),
        (4, Reason.PROVIDER_TIMEOUT, UNCERTAIN),
        (5, Reason.PROVIDER_REJECTED, UNCERTAIN),
        (7, Reason.PROVIDER_AUTH_FAILED, UNCERTAIN),
        (8, Reason.PROVIDER_QUOTA_EXHAUSTED, RELEASED),
        (9, Reason.PROVIDER_REJECTED, RELEASED),
        (13, Reason.PROVIDER_UNAVAILABLE, UNCERTAIN),
        (14, Reason.PROVIDER_UNAVAILABLE, UNCERTAIN),
        (16, Reason.PROVIDER_AUTH_FAILED, UNCERTAIN),
        (0, Reason.PROVIDER_UNAVAILABLE, UNCERTAIN),
        (77, Reason.PROVIDER_UNAVAILABLE, UNCERTAIN),
        # Of HTTP.
        (400, Reason.PROVIDER_REJECTED, RELEASED),
        (503, Reason.PROVIDER_UNAVAILABLE, UNCERTAIN),
    ],
)
def test_an_operation_fails_for_what_its_code_says(
    code: int, reason: Reason, cost: CostState
) -> None:
    failed = errors.operation_failed(code, "secret prompt", OPERATION)
    assert (failed.failure.reason, failed.cost) == (reason, cost)
    assert failed.failure.metadata["operation"] == "4a45"
    assert "secret" not in repr(failed.failure)


@pytest.mark.parametrize(
    ("code", "text", "phase"),
    [(3, FILTERED_INPUT, "input"), (3, FILTERED_PROMPT, "prompt"), (400, FILTERED_INPUT, "input")],
)
def test_an_operation_that_a_filter_ended_is_free(code: int, text: str, phase: str) -> None:
    failed = errors.operation_failed(code, text, OPERATION)
    assert (failed.failure.reason, failed.cost) == (Reason.CONTENT_FILTERED, RELEASED)
    assert failed.failure.metadata["phase"] == phase


@pytest.mark.parametrize("code", [400, 412, 416, 429, 500, 503])
def test_a_download_that_fails_for_now_is_tried_again(code: int) -> None:
    later = errors.storage_refused(httpx2.Response(code, headers={"retry-after": "3"}))
    assert isinstance(later, TryLater)
    assert later.delay_ms == 3000


@pytest.mark.parametrize("code", [401, 403])
def test_a_bucket_that_may_not_be_read_is_tried_again_and_named(code: int) -> None:
    later = errors.storage_refused(httpx2.Response(code))
    assert isinstance(later, TryLater)
    assert later.failure.metadata == {"setting": "RUSHES_VERTEX_OUTPUT_URI"}


@pytest.mark.parametrize("code", [404, 410])
def test_a_result_that_is_gone_was_charged(code: int) -> None:
    failed = errors.storage_refused(httpx2.Response(code))
    assert isinstance(failed, ProviderFailed)
    assert (failed.failure.reason, failed.cost) == (Reason.PROVIDER_OPERATION_LOST, CHARGED)
