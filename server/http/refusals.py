"""Errors over HTTP, in the shape that the edge's JSON transcoder gives to a gRPC status."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from core.errors import Reason, RequestError

SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_TYPES = "type.googleapis.com/google.rpc."
# HTTP status -> google.rpc.Code, as google/rpc/code.proto pairs them.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 416: 11, 429: 8, 500: 13, 503: 14}
_STATUSES = {
    Reason.CREDENTIALS_MISSING: 401,
    Reason.CREDENTIALS_INVALID: 401,
    Reason.CREDENTIALS_EXPIRED: 401,
    Reason.RESOURCE_NOT_FOUND: 404,
    Reason.FIELD_INVALID: 400,
    Reason.RESUME_TOKEN_INVALID: 400,
    Reason.RATE_LIMITED: 429,
    Reason.SERVER_DRAINING: 503,
    Reason.DEPENDENCY_UNAVAILABLE: 503,
}


def refuse(
    status: int,
    reason: Reason,
    message: str,
    headers: Mapping[str, str] | None = None,
    *more: Mapping[str, Any],
) -> JSONResponse:
    """An error response with google.rpc.ErrorInfo inside, and `more` details after it."""
    info = {"@type": f"{_TYPES}ErrorInfo", "reason": reason.value, "domain": "rushes"}
    body = {"code": _CODES.get(status, 2), "message": message, "details": [info, *more]}
    return JSONResponse(body, status, headers={**SAFE, **(headers or {})})


def refuse_error(error: RequestError, status: int | None = None) -> JSONResponse:
    """The response for an error of the domain, with the status that its reason usually has."""
    retry = {} if error.retry_seconds is None else {"Retry-After": f"{error.retry_seconds:.0f}"}
    found = status or _STATUSES.get(error.reason, 500)
    return refuse(found, error.reason, error.message, retry, *_violations(error))


def _violations(error: RequestError) -> list[Mapping[str, Any]]:
    fields = [
        {"field": one.field, "description": one.description, "reason": Reason.FIELD_INVALID}
        for one in error.violations
    ]
    return [{"@type": f"{_TYPES}BadRequest", "fieldViolations": fields}] if fields else []
