"""Errors over HTTP, in the shape that the edge's JSON transcoder gives to a gRPC status."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

from core.errors import Reason, RequestError

# HTTP status -> google.rpc.Code, as google/rpc/code.proto pairs them.
_CODES = {400: 3, 403: 7, 404: 5, 405: 12, 416: 11, 429: 8, 431: 3, 500: 13, 503: 14}
_STATUSES = {
    Reason.CREDENTIALS_INVALID: 403,
    Reason.CREDENTIALS_EXPIRED: 403,
    Reason.RESOURCE_NOT_FOUND: 404,
    Reason.FIELD_INVALID: 416,
    Reason.RATE_LIMITED: 429,
    Reason.DEPENDENCY_UNAVAILABLE: 503,
}


def refuse(
    status: int, reason: Reason, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error response with google.rpc.ErrorInfo inside."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason.value,
        "domain": "rushes",
    }
    body = {"code": _CODES.get(status, 2), "message": message, "details": [info]}
    safe = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return JSONResponse(body, status, headers={**safe, **(headers or {})})


def refuse_error(error: RequestError) -> JSONResponse:
    """The response for an error of the domain."""
    status = _STATUSES.get(error.reason, 500)
    retry = {} if error.retry_seconds is None else {"Retry-After": f"{error.retry_seconds:.0f}"}
    return refuse(status, error.reason, error.message, retry)
