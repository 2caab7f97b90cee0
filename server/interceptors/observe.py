"""The outermost layer: a request id and one log line for each call."""

import time
from contextvars import ContextVar
from typing import Any

import grpc
import structlog

from core.ids import is_id, new_id
from core.process import metrics
from core.process.telemetry import get_logger
from rushes.v1 import media_service_pb2 as pb
from server.interceptors.layer import Behaviour, Call, Context, Layer
from server.principal import current_principal

log = get_logger(__name__)
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_HEADER = "x-request-id"
# The names of our methods are shorter; one that is not ours is as long as its caller likes.
_MAX_NAME = 64
_METHODS = frozenset(pb.DESCRIPTOR.services_by_name["MediaService"].methods_by_name)
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


def request_id() -> str:
    """The id of this call: the edge's, or our own."""
    return _request_id.get() or new_id()


class Observe(Layer):
    """Logs `rpc_finished` with method, code, milliseconds and user, and nothing of the request."""

    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        started = time.perf_counter()
        call_id = _given_id(call) or new_id()
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
            method = call.method.rpartition("/")[2][:_MAX_NAME]
            code = "OK" if finished else _code(context)
            _count(method, call.streaming, code, seconds)
            log.info(
                "rpc_finished",
                method=method,
                code=code,
                ms=round(seconds * 1000, 1),
                user_id=principal.user_id if principal else "",
            )


def _count(method: str, streaming: bool, code: str, seconds: float) -> None:
    known = method if method in _METHODS else "unknown"
    metrics.CALLS.labels(known, code).inc()
    if not streaming:
        metrics.CALL_SECONDS.labels(known).observe(seconds)


def _given_id(call: Call) -> str:
    for key, value in call.metadata:
        if key == _HEADER and isinstance(value, str) and is_id(value):
            return value
    return ""


def _code(context: Context) -> str:
    """What the call was aborted with; a call that was not is one that the caller left."""
    code: Any = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return _NAMES.get(number, "CANCELLED") if number else "CANCELLED"
