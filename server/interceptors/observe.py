"""The outermost layer gives each call a request id, one log line and its metrics."""

import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from core.ids import is_id, new_id
from core.process import metrics
from core.process.telemetry import get_logger
from server.interceptors.layer import Behaviour, Call, Context, metadata_of
from server.principal import current_principal

log = get_logger(__name__)
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_reason: ContextVar[str] = ContextVar("reason", default="")
_HEADER = "x-request-id"
# The names of our methods are shorter. A caller can make up a name of any length.
_MAX_NAME = 64
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


def request_id() -> str:
    """The id that the edge gave this call, or else one of our own."""
    return _request_id.get() or new_id()


def note_refusal(reason: str) -> None:
    """Names the reason for which this call is refused, for its log line."""
    _reason.set(reason)


class Observe:
    """Logs `rpc_finished` with method, code, why it was refused, milliseconds and user, and nothing
    of the request.

    Only methods of `services` become labels of the metrics: a caller's own words must not.
    """

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        self._labels = {
            f"/{service.full_name}/{method.name}": method.name
            for service in services
            for method in service.methods
        }

    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        started = time.perf_counter()
        call_id = _given_id(context) or new_id()
        _request_id.set(call_id)
        structlog.contextvars.bind_contextvars(request_id=call_id)
        finished = False
        try:
            answer = await inner(request, context)
            finished = True
            return answer
        finally:
            principal = current_principal()
            seconds = time.perf_counter() - started
            code = "OK" if finished else _code(context)
            self._count(call, code, seconds)
            log.info(
                "rpc_finished",
                method=call.method.rpartition("/")[2][:_MAX_NAME],
                code=code,
                reason=_reason.get(),
                ms=round(seconds * 1000, 1),
                user_id=principal.user_id if principal else "",
            )

    def _count(self, call: Call, code: str, seconds: float) -> None:
        label = self._labels.get(call.method, "unknown")
        metrics.CALLS.labels(label, code).inc()
        if not call.streaming:
            metrics.CALL_SECONDS.labels(label).observe(seconds)


def _given_id(context: Context) -> str:
    for key, value in metadata_of(context):
        if key == _HEADER and isinstance(value, str) and is_id(value):
            return value
    return ""


def _code(context: Context) -> str:
    """The code that the call was aborted with. Without one, the caller left."""
    code: Any = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return _NAMES.get(number, "CANCELLED") if number else "CANCELLED"
