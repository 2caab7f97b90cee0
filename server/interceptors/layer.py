"""A layer surrounds every call of our services, unary and streaming alike."""

import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

import grpc
from grpc.aio import ServerInterceptor, ServicerContext

Context = ServicerContext[Any, Any]
Behaviour = Callable[[Any, Context], Awaitable[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Metadata = tuple[tuple[str, str | bytes], ...]
OUR_SERVICES = "/rushes."
# More than our services have. A caller may make names up without end.
_METHODS = 128


@dataclass(frozen=True, slots=True)
class Call:
    """What is called."""

    method: str
    streaming: bool


def metadata_of(context: Context) -> Metadata:
    """What the caller sent along."""
    return cast(Metadata, context.invocation_metadata() or ())


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

    It is one interceptor, and it surrounds each method once: what is made for each call costs it
    time, and costs a watch memory for as long as it lasts.
    """

    def __init__(self, layers: Sequence[Layer], core: Core) -> None:
        self._layers = layers
        self._core = core
        self._surround = functools.lru_cache(_METHODS)(self._surround_anew)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Found]],
        details: grpc.HandlerCallDetails,
    ) -> Found:
        handler = await continuation(details)
        if handler is None or not str(details.method).startswith(OUR_SERVICES):
            return handler
        return self._surround(details.method, handler)

    def _surround_anew(self, method: str, handler: Handler) -> Handler:
        call = Call(method, bool(handler.response_streaming))
        behaviour = self._core.behaviour(call, handler)
        for layer in reversed(self._layers):
            behaviour = partial(layer.around, call, behaviour)
        return _make_handler(call, behaviour, handler)


def _make_handler(call: Call, behaviour: Behaviour, of: Handler) -> Handler:
    """A handler like `of` with another behaviour, which reads the request by itself."""
    any_behaviour: Any = behaviour
    if call.streaming:
        return grpc.unary_stream_rpc_method_handler(any_behaviour, None, _or_bytes(of))
    return grpc.unary_unary_rpc_method_handler(any_behaviour, None, _or_bytes(of))


def _or_bytes(of: Handler) -> Callable[[Any], bytes]:
    """A serializer that passes bytes on: watchers and pages share what is serialized once."""
    serialize: Any = of.response_serializer

    def serialize_or_pass(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else bytes(serialize(answer))

    return serialize_or_pass
