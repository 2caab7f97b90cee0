"""The meaning of errors of calls to OpenAI, by status code and error code.

This module does not need the classes of the SDK. An error with a status is told by that status; an
error without one has a transport error inside, which tells whether the call was sent.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx2

from core.errors import Reason
from core.jobs import CostState, JobFailure
from workers.providers import OutcomeUnknown, ProviderFailed, TryLater
from workers.providers.http.transport import quota_exhausted, retry_after_ms, submit_failed

NAME = "OpenAI"
SETTING = "RUSHES_OPENAI_API_KEY"
FILTERED = frozenset(
    {"moderation_blocked", "content_policy_violation", "content_filter", "sanitizer_blocked"}
)
# These last longer than a minute, whatever the status is.
NO_MONEY = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "access_terminated",
        "account_deactivated",
    }
)
# After these the provider may still work on the call, as after all that are not 4xx.
_UNKNOWN = frozenset({408, 409})
# Users see the code. So it must be a short name, which no prompt and no key can be.
_CODE = re.compile(r"[a-z][a-z_]{1,48}")


def submit_error(
    error: Exception, *, has_inputs: bool
) -> ProviderFailed | TryLater | OutcomeUnknown:
    """The error that `submit` raises for an exception of the SDK."""
    response = getattr(error, "response", None)
    if not isinstance(response, httpx2.Response):
        return submit_failed(error, NAME)
    status, body = response.status_code, getattr(error, "body", None)
    details = body if isinstance(body, Mapping) else {}
    if not 400 <= status < 500 or status in _UNKNOWN:
        # A 200 that the SDK does not understand may have been paid too.
        return OutcomeUnknown(f"{NAME}: {status} {type(error).__name__}")
    code = _code(details)
    if code in FILTERED:
        return _filtered(details, code, has_inputs)
    if code in NO_MONEY:
        return _failed(Reason.PROVIDER_QUOTA_EXHAUSTED, "The OpenAI account has no credit.", code)
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        delay_ms = retry_after_ms(response.headers)
        return TryLater(quota_exhausted(NAME, code, delay_ms), delay_ms=delay_ms, sent=True)
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return _failed(
            Reason.PROVIDER_AUTH_FAILED, f"OpenAI refused the key of {SETTING}.", code, SETTING
        )
    return _failed(Reason.PROVIDER_REJECTED, "OpenAI refused the request.", code or str(status))


def _filtered(details: Mapping[str, Any], code: str, has_inputs: bool) -> ProviderFailed:
    """`moderation_details.moderation_stage` is "input" for prompt and images alike, or "output"."""
    moderation = details.get("moderation_details")
    stage = moderation.get("moderation_stage") if isinstance(moderation, Mapping) else None
    before = "input" if has_inputs else "prompt"
    metadata = {"phase": "output" if stage == "output" else before, "code": code}
    message = "OpenAI's content filter refused it."
    failure = JobFailure(reason=Reason.CONTENT_FILTERED, message=message, metadata=metadata)
    return ProviderFailed(failure, CostState.RELEASED)


def _failed(reason: Reason, message: str, code: str, setting: str = "") -> ProviderFailed:
    values = {"code": code, "setting": setting}
    metadata = {name: value for name, value in values.items() if value}
    failure = JobFailure(reason=reason, message=message, metadata=metadata)
    return ProviderFailed(failure, CostState.RELEASED)


def _code(details: Mapping[str, Any]) -> str:
    """The code of the error, or its type if that says more; empty if there is neither."""
    for name in ("code", "type"):
        text = details.get(name)
        if isinstance(text, str) and _CODE.fullmatch(text):
            return text
    return ""
