"""The meaning of answers and exceptions for the job and for its money.

google-genai has two unrelated trees of errors (`errors.APIError` for models and files, the one of
interactions below `GeminiNextGenAPIClientError`), and both let errors of httpx2 through.
"""

import re
from dataclasses import dataclass
from typing import Any

import httpx2

from core.errors import Reason
from core.jobs import CostState, JobFailure
from workers.providers import OutcomeUnknown, ProviderFailed, TryLater
from workers.providers.google import Fields, details_of, objects, read_status, retry_info_ms
from workers.providers.http.transport import (
    quota_exhausted,
    retry_after_ms,
    submit_failed,
    unavailable,
)

NAME = "Gemini"
SETTING = "RUSHES_GEMINI_API_KEY"
# This matches codes of a filter, not messages, which may repeat the prompt.
_FILTERED = re.compile(r"(IMAGE_)?(SAFETY|PROHIBITED_CONTENT|BLOCKLIST|SPII|RECITATION|JAILBREAK)")
# These refuse the key, though the status is 400.
_AUTH_REASONS = ("API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED")
# A quota of a minute comes back while a job waits; these do not.
_LONG_QUOTA = re.compile(r"PerDay|PerMonth|Spend", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
# As others published; not tried here. An unknown id is answered with a 400 and this text.
_UNKNOWN_INTERACTION = "invalid interaction name"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not 200. `code` is Google's short name for it. `message` is its text, which
    is not passed on, because it may repeat the prompt."""

    status: int
    code: str = ""
    reason: str = ""
    quota: str = ""
    message: str = ""
    wait_ms: int | None = None


def read_refusal(response: httpx2.Response) -> Refusal:
    """The refusal in an answer of any shape, whose body was read."""
    error = read_status(response.content)
    details = details_of(error)
    return Refusal(
        status=response.status_code,
        code=_code(error.get("status")) or _code(error.get("code")),
        reason=next((_code(item["reason"]) for item in details if "reason" in item), ""),
        quota=" ".join(_quotas(details)),
        message=str(error.get("message", "")),
        wait_ms=retry_after_ms(response.headers) or retry_info_ms(details),
    )


def submit_error(error: BaseException) -> ProviderFailed | TryLater | OutcomeUnknown:
    """The error that a submit raises for an exception of the SDK.

    Exceptions of both trees have the answer, if there was one.
    """
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        return submit_refused(read_refusal(response))
    return submit_failed(error, NAME)


def submit_refused(refusal: Refusal) -> ProviderFailed | TryLater | OutcomeUnknown:
    """The error that a submit raises for an answer that is not 200."""
    status = refusal.status
    if not 400 <= status < 500 or status in (408, 409):
        return OutcomeUnknown(f"{NAME}: {status} {refusal.code}")
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        failure = quota_exhausted(NAME, refusal.code, refusal.wait_ms)
        if _LONG_QUOTA.search(refusal.quota):
            return ProviderFailed(failure, CostState.RELEASED)
        return TryLater(failure, delay_ms=refusal.wait_ms, sent=True)
    return ProviderFailed(_rejection(refusal), CostState.RELEASED)


def poll_refused(refusal: Refusal, operation: str) -> ProviderFailed | TryLater:
    """The error that a poll or a fetch raises for an answer that is not 200.

    The operation is paid for, so the job ends only if the operation is gone. Any other refusal may
    pass, even that of a wrong key.
    """
    gone = refusal.status in (httpx2.codes.NOT_FOUND, httpx2.codes.GONE)
    if gone or _UNKNOWN_INTERACTION in refusal.message.lower():
        return ProviderFailed(lost(operation), CostState.UNCERTAIN)
    if refusal.status == httpx2.codes.TOO_MANY_REQUESTS:
        failure = quota_exhausted(NAME, refusal.code, refusal.wait_ms)
    elif _is_auth(refusal):
        failure = auth_failed()
    else:
        failure = unavailable(NAME)
    return TryLater(failure, delay_ms=refusal.wait_ms, sent=True)


def is_filter(code: str) -> bool:
    """Whether Google's code is one of a content filter."""
    return _FILTERED.fullmatch(code.rpartition("/")[2].upper()) is not None


def filtered(phase: str, code: str) -> JobFailure:
    """`phase` is prompt, input or output."""
    message = f"{NAME}'s content filter refused the {phase}."
    details = {"phase": phase, **_coded(code)}
    return JobFailure(reason=Reason.CONTENT_FILTERED, message=message, metadata=details)


def rejected(message: str, code: str) -> JobFailure:
    """The failure of a job that Gemini refused or could not do."""
    return JobFailure(reason=Reason.PROVIDER_REJECTED, message=message, metadata=_coded(code))


def no_result(message: str, code: str = "") -> JobFailure:
    """The failure of a job whose operation is done and left no usable result."""
    return JobFailure(reason=Reason.RESULT_INVALID, message=message, metadata=_coded(code))


def lost(operation: str) -> JobFailure:
    """The failure of a job whose operation or result Gemini does not have any more."""
    message = f"{NAME} does not know the operation, or its result, any more."
    details = {"operation": operation}
    return JobFailure(reason=Reason.PROVIDER_OPERATION_LOST, message=message, metadata=details)


def auth_failed() -> JobFailure:
    """The failure of a job whose key Gemini does not accept."""
    message = f"{NAME} does not take the key in {SETTING}, or the key may not use the model."
    details = {"setting": SETTING}
    return JobFailure(reason=Reason.PROVIDER_AUTH_FAILED, message=message, metadata=details)


def _rejection(refusal: Refusal) -> JobFailure:
    if _is_auth(refusal):
        return auth_failed()
    codes = [code for code in (refusal.reason, refusal.code) if is_filter(code)]
    if codes:
        # A guess, because the refusal of a blocked interaction is not documented.
        return filtered("input" if codes[0].startswith("IMAGE_") else "prompt", codes[0])
    return rejected(f"{NAME} refused the request.", refusal.code or str(refusal.status))


def _is_auth(refusal: Refusal) -> bool:
    wrong = (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN)
    return refusal.status in wrong or refusal.reason in _AUTH_REASONS


def _code(value: Any) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _coded(code: str) -> dict[str, str]:
    return {"code": code} if code else {}


def _quotas(details: list[Fields]) -> list[str]:
    """Names of the quotas that are used up, from google.rpc.QuotaFailure."""
    violations = [each for item in details for each in objects(item.get("violations"))]
    return [str(each.get("quotaId", "")) for each in violations]
