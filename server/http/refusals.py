"""Errors over HTTP, in the shape that the edge's JSON transcoder gives to a gRPC status."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse

from core.errors import FieldViolation, Reason, RequestError, UploadIncomplete

SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# HTTP status -> google.rpc.Code, as google/rpc/code.proto pairs them.
_CODES = {
    **{400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 409: 9, 416: 11, 429: 8, 431: 3},
    **{500: 13, 503: 14},
}
_STATUSES = {
    Reason.CREDENTIALS_MISSING: 401,
    Reason.CREDENTIALS_INVALID: 401,
    Reason.CREDENTIALS_EXPIRED: 401,
    Reason.RESOURCE_NOT_FOUND: 404,
    Reason.FIELD_INVALID: 400,
    Reason.RESUME_TOKEN_INVALID: 400,
    Reason.INPUT_MEDIA_INVALID: 400,
    Reason.UPLOAD_MISMATCH: 400,
    Reason.UPLOAD_INCOMPLETE: 409,
    Reason.RATE_LIMITED: 429,
    Reason.QUERY_TOO_SLOW: 429,
    Reason.STORAGE_FULL: 429,
    Reason.SERVER_DRAINING: 503,
    Reason.DEPENDENCY_UNAVAILABLE: 503,
}


def refuse(
    status: int,
    reason: Reason,
    message: str,
    headers: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    *,
    violations: Sequence[FieldViolation] = (),
) -> JSONResponse:
    """An error response with google.rpc.ErrorInfo inside, and BadRequest if fields are wrong."""
    info: dict[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason.value,
        "domain": "rushes",
    }
    named = {"field": violations[0].field} if violations else {}
    if metadata or violations:
        info["metadata"] = {**named, **(metadata or {})}
    details = [info]
    if violations:
        details.append(_bad_request(violations))
    body = {"code": _CODES.get(status, 2), "message": message, "details": details}
    return JSONResponse(body, status, headers={**SAFE, **(headers or {})})


def _bad_request(violations: Sequence[FieldViolation]) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [
            {"field": one.field, "description": one.description, "reason": Reason.FIELD_INVALID}
            for one in violations
        ],
    }


def refuse_error(error: RequestError, status: int | None = None) -> JSONResponse:
    """The response for an error of the domain, with the status that its reason usually has."""
    found = status or _STATUSES.get(error.reason, 500)
    headers = {} if error.retry_seconds is None else {"Retry-After": f"{error.retry_seconds:.0f}"}
    if isinstance(error, UploadIncomplete):
        headers["Upload-Offset"] = str(error.received_bytes)
    return refuse(
        found,
        error.reason,
        error.message,
        headers,
        error.metadata,
        violations=error.violations,
    )
