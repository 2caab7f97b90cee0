"""A layer surrounds every call of our services, unary and streaming alike."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import grpc
from grpc.aio import ServerInterceptor, ServicerContext

Context = ServicerContext[Any, Any]
Behaviour = Callable[[Any, Context], Awaitable[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Metadata = tuple[tuple[str, str | bytes], ...]
OUR_SERVICES = "/rushes."


@dataclass(frozen=True, slots=True)
class Call:
    """A call before its request is read."""

    method: str
    metadata: Metadata
    streaming: bool


class Layer(Protocol):
    """Surrounds every call."""

    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        """Answers the call by awaiting `inner(request, context)`, or raises."""


class Core(Protocol):
    """What is inside of all layers."""

    def behaviour(self, call: Call, handler: Handler) -> Behaviour:
        """Answers a call whose request is still bytes, as `handler` says.

        Unary and streaming behaviours have one shape: that of a stream writes to the context and
        returns nothing.
        """


class Chain(ServerInterceptor):
    """Runs the layers around every call of our services. Health and reflection pass untouched.

    It is one interceptor, because each one costs a call time, and a watch memory for as long as it
    lasts.
    """

    def __init__(self, layers: Sequence[Layer], core: Core) -> None:
        self._layers = layers
        self._core = core

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Found]],
        details: grpc.HandlerCallDetails,
    ) -> Found:
        handler = await continuation(details)
        if handler is None or not str(details.method).startswith(OUR_SERVICES):
            return handler
        metadata: Any = details.invocation_metadata or ()
        call = Call(details.method, tuple(metadata), bool(handler.response_streaming))
        behaviour = self._core.behaviour(call, handler)
        for layer in reversed(self._layers):
            behaviour = partial(layer.around, call, behaviour)
        return _make_handler(call, behaviour, handler)


def _make_handler(call: Call, behaviour: Behaviour, of: Handler) -> Handler:
    """A handler like `of` with another behaviour, which reads the request by itself."""
    any_behaviour: Any = behaviour
    if call.streaming:
        return grpc.unary_stream_rpc_method_handler(any_behaviour, None, _or_bytes(of))
    return grpc.unary_unary_rpc_method_handler(any_behaviour, None, of.response_serializer)


def _or_bytes(of: Handler) -> Callable[[Any], bytes]:
    """A serializer that passes bytes on: a watch writes bytes that many watchers share."""
    serialize: Any = of.response_serializer

    def serialize_or_pass(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else bytes(serialize(answer))

    return serialize_or_pass
