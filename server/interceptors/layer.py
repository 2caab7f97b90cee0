"""A layer surrounds every call of our services, unary and streaming alike."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

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


class Layer(ServerInterceptor):
    """Runs `around` for every call of our services. Health and reflection pass untouched."""

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
        return self.wrap(call, handler)

    def wrap(self, call: Call, handler: Handler) -> Handler:
        """The handler with this layer around it.

        Unary and streaming behaviours get one shape: that of a stream writes to the context and
        returns nothing.
        """
        inner: Any = handler.unary_stream or handler.unary_unary

        async def behaviour(request: Any, context: Context) -> Any:
            return await self.around(call, inner, request, context)

        return make_handler(call, behaviour, handler.request_deserializer, handler)

    @abstractmethod
    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        """Answers the call by awaiting `inner(request, context)`, or raises."""


def make_handler(call: Call, behaviour: Behaviour, deserializer: Any, of: Handler) -> Handler:
    """A handler like `of` with another behaviour and another deserializer."""
    any_behaviour: Any = behaviour
    if call.streaming:
        return grpc.unary_stream_rpc_method_handler(any_behaviour, deserializer, _or_bytes(of))
    return grpc.unary_unary_rpc_method_handler(any_behaviour, deserializer, of.response_serializer)


def _or_bytes(of: Handler) -> Callable[[Any], bytes]:
    """A serializer that passes bytes on: a watch writes bytes that many watchers share."""
    serialize: Any = of.response_serializer

    def serialize_or_pass(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else bytes(serialize(answer))

    return serialize_or_pass
