"""The meaning of errors at Google: the job fails, is tried later, or has an unknown outcome.

Every failure has a reason and the state of its cost. Google says that a refused submit and a
filtered video cost nothing. The cost of an operation that broke is UNCERTAIN, because no document
tells it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import structlog

from core.errors import Reason
from core.jobs import CostState, JobFailure
from workers.providers import OutcomeUnknown, ProviderFailed, TryLater
from workers.providers.google import details_of, read_status, retry_info_ms
from workers.providers.http.transport import (
    quota_exhausted,
    retry_after_ms,
    submit_failed,
    unavailable,
)
from workers.providers.vertex.addresses import short_name
from workers.providers.vertex.tokens import SETTING as CREDENTIALS
from workers.providers.vertex.tokens import CredentialsRefused, CredentialsUnreachable

log = structlog.get_logger()

NAME = "Vertex AI"
PROJECT, OUTPUT = "RUSHES_VERTEX_PROJECT", "RUSHES_VERTEX_OUTPUT_URI"
# After these answers to a submit, it may have been accepted all the same.
_UNKNOWN = frozenset({408, 409})
_TOO_MANY = 429
_GONE = frozenset({404, 410})
# Reasons of google.rpc.ErrorInfo that concern the project and not the key.
_PROJECT_REASONS = frozenset({"SERVICE_DISABLED", "BILLING_DISABLED", "CONSUMER_INVALID"})
_LONG_QUOTAS = re.compile("PerDay|PerMonth", re.IGNORECASE)

_CODES = re.compile(r"support codes?:\s*([\d,\s]*\d)", re.IGNORECASE)
_FILTER = re.compile(
    r"support codes?:|usage guidelines|responsible ai|violate our policies"
    r"|prompt (?:could not|couldn't) be submitted",
    re.IGNORECASE,
)
_INPUT = re.compile(r"\b(?:input|reference) (?:image|video)|\bimage violates", re.IGNORECASE)
_PROMPT = re.compile(
    r"prompt (?:could not|couldn't) be submitted|prompt contains|prompt violates", re.IGNORECASE
)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,80}")


@dataclass(frozen=True, slots=True)
class Fault:
    """The failure of an operation that ended with this code of google.rpc.Code."""

    name: str
    reason: Reason
    cost: CostState


def _fault(name: str, reason: Reason, cost: CostState = CostState.UNCERTAIN) -> Fault:
    return Fault(name, reason, cost)


# An operation that was refused for its request made nothing.
OPERATION_FAULTS: Mapping[int, Fault] = {
    1: _fault("CANCELLED", Reason.PROVIDER_UNAVAILABLE),
    2: _fault("UNKNOWN", Reason.PROVIDER_UNAVAILABLE),
    3: _fault("INVALID_ARGUMENT", Reason.PROVIDER_REJECTED, CostState.RELEASED),
    4: _fault("DEADLINE_EXCEEDED", Reason.PROVIDER_TIMEOUT),
    5: _fault("NOT_FOUND", Reason.PROVIDER_REJECTED),
    7: _fault("PERMISSION_DENIED", Reason.PROVIDER_AUTH_FAILED),
    8: _fault("RESOURCE_EXHAUSTED", Reason.PROVIDER_QUOTA_EXHAUSTED, CostState.RELEASED),
    9: _fault("FAILED_PRECONDITION", Reason.PROVIDER_REJECTED, CostState.RELEASED),
    11: _fault("OUT_OF_RANGE", Reason.PROVIDER_REJECTED, CostState.RELEASED),
    12: _fault("UNIMPLEMENTED", Reason.PROVIDER_REJECTED, CostState.RELEASED),
    13: _fault("INTERNAL", Reason.PROVIDER_UNAVAILABLE),
    14: _fault("UNAVAILABLE", Reason.PROVIDER_UNAVAILABLE),
    16: _fault("UNAUTHENTICATED", Reason.PROVIDER_AUTH_FAILED),
}
_OTHER_FAULT = _fault("", Reason.PROVIDER_UNAVAILABLE)
# Some operations ended with a status of HTTP instead.
_OF_HTTP = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 499: 1, 500: 13, 501: 12, 503: 14, 504: 4}


def ready_error(error: Exception) -> ProviderFailed | TryLater:
    """The error of a submit that failed before it sent anything."""
    if isinstance(error, CredentialsRefused):
        return ProviderFailed(auth_failed(), CostState.RELEASED)
    if not isinstance(error, CredentialsUnreachable):
        # This machine lacks something: certificates or memory.
        log.warning("vertex_submit_not_ready", error=type(error).__name__)
    return TryLater(unavailable(NAME))


def submit_error(error: Exception) -> ProviderFailed | TryLater | OutcomeUnknown:
    """The error of a submit that was sent, or nearly, and ended in `error`."""
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        return submit_failed(error, NAME)
    code = getattr(error, "code", None)
    if not isinstance(code, int) or not 400 <= code < 500 or code in _UNKNOWN:
        return OutcomeUnknown(f"{NAME}: {type(error).__name__}")
    headers = getattr(getattr(error, "response", None), "headers", {})
    return _refused(code, read_status(getattr(error, "details", None)), headers)


def ask_error(
    error: CredentialsRefused | CredentialsUnreachable | httpx2.HTTPError,
) -> TryLater:
    """The error of a question about an operation that got no answer. The operation is paid for, and
    somebody may repair the credentials."""
    if isinstance(error, CredentialsRefused):
        return TryLater(auth_failed())
    return TryLater(unavailable(NAME))


def ask_refused(response: httpx2.Response, operation: str) -> ProviderFailed | TryLater:
    """The error of a question about an operation that was answered with an error.

    The operation is paid for, so the job ends only if the operation is gone. Others may pass.
    """
    code = response.status_code
    if code in _GONE:
        return operation_lost(operation)
    if code in (401, 403):
        return TryLater(auth_failed(), sent=True)
    delay_ms = retry_after_ms(response.headers)
    failure = quota_exhausted(NAME, wait_ms=delay_ms) if code == _TOO_MANY else _busy(NAME, code)
    return TryLater(failure, delay_ms=delay_ms, sent=True)


def storage_refused(response: httpx2.Response) -> ProviderFailed | TryLater:
    """The error of a download from Cloud Storage. The video is paid for, as above."""
    code = response.status_code
    if code in (401, 403):
        message = "Cloud Storage does not let the credentials read the results."
        return TryLater(auth_failed(OUTPUT, message), sent=True)
    if code in _GONE:
        message = "The result is not in Cloud Storage any more."
        failure = JobFailure(reason=Reason.PROVIDER_OPERATION_LOST, message=message)
        return ProviderFailed(failure, CostState.CHARGED)
    busy = _busy("Cloud Storage", code)
    return TryLater(busy, delay_ms=retry_after_ms(response.headers), sent=True)


def operation_failed(code: int, text: str, operation: str) -> ProviderFailed:
    """The failure of an operation with an error. `text` is Google's and is not passed on."""
    code = _OF_HTTP.get(code, code)
    if code in (3, 9) and _FILTER.search(text):
        return filtered([text])
    fault = OPERATION_FAULTS.get(code, _OTHER_FAULT)
    message = f"The operation failed at {NAME} ({fault.name or code})."
    details = {"code": fault.name or str(code), "operation": short_name(operation)}
    if fault.reason is Reason.PROVIDER_AUTH_FAILED:
        # Its own account could not read or write what the request names.
        details["setting"] = OUTPUT
    failure = JobFailure(reason=fault.reason, message=message, metadata=details)
    return ProviderFailed(failure, fault.cost)


def operation_lost(operation: str) -> ProviderFailed:
    """The failure of a job whose operation Google does not know."""
    failure = JobFailure(
        reason=Reason.PROVIDER_OPERATION_LOST,
        message=f"{NAME} does not know the operation any more.",
        metadata={"operation": short_name(operation)},
    )
    return ProviderFailed(failure, CostState.UNCERTAIN)


def filtered(reasons: Sequence[str], otherwise: str = "output") -> ProviderFailed:
    """The failure of a job whose prompt, input or output was filtered, which costs nothing."""
    return ProviderFailed(filter_failure(reasons, otherwise), CostState.RELEASED)


def filter_failure(reasons: Sequence[str], otherwise: str = "output") -> JobFailure:
    """The failure with its phase, and Google's support codes if there are any."""
    text = " ".join(reasons)
    phase = "input" if _INPUT.search(text) else "prompt" if _PROMPT.search(text) else otherwise
    codes = sorted({code for found in _CODES.findall(text) for code in re.findall(r"\d+", found)})
    details = {"phase": phase}
    if codes:
        details["support_codes"] = ",".join(codes)
    message = f"A safety filter of {NAME} refused the {phase}."
    return JobFailure(reason=Reason.CONTENT_FILTERED, message=message, metadata=details)


def auth_failed(setting: str = CREDENTIALS, message: str = "") -> JobFailure:
    """The failure of a job whose credentials do not suffice."""
    text = message or f"{NAME} does not accept the credentials."
    return JobFailure(
        reason=Reason.PROVIDER_AUTH_FAILED, message=text, metadata={"setting": setting}
    )


def result_invalid(why: str) -> JobFailure:
    """The failure of a job whose result can't be used."""
    return JobFailure(reason=Reason.RESULT_INVALID, message=f"The provider's result {why}.")


def _refused(
    code: int, error: Mapping[str, Any], headers: Mapping[str, str]
) -> ProviderFailed | TryLater:
    """The error of a submit that was answered 4xx: nothing was accepted."""
    if code == _TOO_MANY:
        return _too_many(error, headers)
    if code in (401, 403):
        ours = _PROJECT_REASONS & {str(detail.get("reason")) for detail in details_of(error)}
        return ProviderFailed(auth_failed(PROJECT if ours else CREDENTIALS), CostState.RELEASED)
    text = str(error.get("message", ""))
    if code == 400 and _FILTER.search(text):
        return filtered([text], "prompt")
    return ProviderFailed(_rejected(code, error), CostState.RELEASED)


def _too_many(error: Mapping[str, Any], headers: Mapping[str, str]) -> ProviderFailed | TryLater:
    details = details_of(error)
    limits = [dict(detail.get("metadata") or {}) for detail in details]
    delay_ms = retry_after_ms(headers) or retry_info_ms(details)
    failure = quota_exhausted(NAME, wait_ms=delay_ms)
    if any(_LONG_QUOTAS.search(str(limit.get("quota_limit"))) for limit in limits):
        return ProviderFailed(failure, CostState.RELEASED)
    return TryLater(failure, delay_ms=delay_ms, sent=True)


def _rejected(code: int, error: Mapping[str, Any]) -> JobFailure:
    name = str(error.get("status") or code)
    details = {"code": name}
    violations = [v for detail in details_of(error) for v in detail.get("fieldViolations") or ()]
    fields = [str(v.get("field")) for v in violations if isinstance(v, dict)]
    if fields and _FIELD.fullmatch(fields[0]):
        details["provider_field"] = fields[0]
    message = f"{NAME} refused the request ({name})."
    return JobFailure(reason=Reason.PROVIDER_REJECTED, message=message, metadata=details)


def _busy(who: str, code: int) -> JobFailure:
    message = f"{who} can't answer now ({code})."
    return JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message=message)
