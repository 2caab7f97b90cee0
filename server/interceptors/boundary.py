"""The one way out for errors, and the only place that knows the gRPC code of a reason."""

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from core.errors import Reason, RequestError
from core.process.telemetry import get_logger
from server.interceptors.layer import Behaviour, Call, Context
from server.interceptors.observe import note_refusal, request_id

log = get_logger(__name__)

DOMAIN = "rushes"
Code = grpc.StatusCode
CODES: dict[Reason, grpc.StatusCode] = {
    Reason.CREDENTIALS_MISSING: Code.UNAUTHENTICATED,
    Reason.CREDENTIALS_INVALID: Code.UNAUTHENTICATED,
    Reason.CREDENTIALS_EXPIRED: Code.UNAUTHENTICATED,
    Reason.SCOPE_MISSING: Code.PERMISSION_DENIED,
    Reason.RESOURCE_NOT_FOUND: Code.NOT_FOUND,
    Reason.FIELD_INVALID: Code.INVALID_ARGUMENT,
    Reason.MODEL_CAPABILITY_UNSUPPORTED: Code.INVALID_ARGUMENT,
    Reason.INPUT_MEDIA_INVALID: Code.INVALID_ARGUMENT,
    Reason.PAGE_TOKEN_INVALID: Code.INVALID_ARGUMENT,
    Reason.RESUME_TOKEN_INVALID: Code.INVALID_ARGUMENT,
    Reason.REQUEST_ID_CONFLICT: Code.ALREADY_EXISTS,
    Reason.JOB_STATE_INVALID: Code.FAILED_PRECONDITION,
    Reason.MODEL_RETIRED: Code.FAILED_PRECONDITION,
    Reason.PROVIDER_NOT_CONFIGURED: Code.FAILED_PRECONDITION,
    Reason.COST_ABOVE_LIMIT: Code.FAILED_PRECONDITION,
    Reason.BUDGET_EXCEEDED: Code.RESOURCE_EXHAUSTED,
    Reason.RATE_LIMITED: Code.RESOURCE_EXHAUSTED,
    Reason.QUEUE_FULL: Code.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_WATCHES: Code.RESOURCE_EXHAUSTED,
    Reason.SERVER_DRAINING: Code.UNAVAILABLE,
    Reason.DEPENDENCY_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.WATCHER_TOO_SLOW: Code.RESOURCE_EXHAUSTED,
    Reason.INTERNAL_ERROR: Code.INTERNAL,
    Reason.PRICE_UNKNOWN: Code.FAILED_PRECONDITION,
    Reason.STORAGE_FULL: Code.RESOURCE_EXHAUSTED,
    Reason.METHOD_UNIMPLEMENTED: Code.UNIMPLEMENTED,
    Reason.RESOURCE_LIMIT_REACHED: Code.RESOURCE_EXHAUSTED,
    Reason.FEATURE_DISABLED: Code.FAILED_PRECONDITION,
    Reason.UPLOAD_INCOMPLETE: Code.FAILED_PRECONDITION,
    Reason.UPLOAD_MISMATCH: Code.INVALID_ARGUMENT,
    Reason.REPORT_SEQUENCE_OLD: Code.FAILED_PRECONDITION,
    Reason.QUERY_TOO_SLOW: Code.RESOURCE_EXHAUSTED,
}
# Trailers travel as headers, and a client refuses more than 8 KiB of them.
_MAX_STATUS_BYTES = 4096
_MAX_MESSAGE = 400


class Boundary:
    """Turns what a handler raises into a google.rpc.Status with ErrorInfo."""

    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        try:
            return await inner(request, context)
        except RequestError as error:
            failure = error
        except grpc.aio.AbortError:
            raise
        except Exception:
            if context.done():
                raise
            error_id = request_id()
            log.exception("call_broke", method=call.method, error_id=error_id)
            failure = RequestError("Something went wrong on our side.", error_id=error_id)
        note_refusal(failure.reason.value)
        to_status: Any = rpc_status.to_status
        await context.abort_with_status(to_status(error_to_status(failure)))


def error_to_status(error: RequestError) -> status_pb2.Status:
    """The error as a caller sees it: code, message, ErrorInfo, and details where they help."""
    violations = list(error.violations)
    status = _status(error, violations)
    while status.ByteSize() > _MAX_STATUS_BYTES and violations:
        violations = violations[: len(violations) // 2]
        status = _status(error, violations)
    return status


def _status(error: RequestError, violations: list[Any]) -> status_pb2.Status:
    code = CODES[error.reason]
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=error.reason, domain=DOMAIN, metadata=_cut_values(error.metadata)
        )
    ]
    if violations:
        details.append(_bad_request(violations))
    if error.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_seconds * 1000))
        details.append(retry)
    return status_pb2.Status(
        code=code.value[0], message=_cut(error.message), details=[_pack(d) for d in details]
    )


def _bad_request(violations: list[Any]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(v.field), description=_cut(v.description), reason=Reason.FIELD_INVALID
            )
            for v in violations
        ]
    )


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _cut_values(metadata: dict[str, str]) -> dict[str, str]:
    return {key: _cut(value) for key, value in metadata.items()}


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
