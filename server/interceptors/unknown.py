"""The handler that answers for methods of ours that this version does not have."""

from collections.abc import Collection
from typing import Any

import grpc

from core.errors import MethodUnimplemented
from server.interceptors.layer import OUR_SERVICES, Context, Found


class UnknownMethods(grpc.GenericRpcHandler):
    """Refuses with a reason what gRPC would refuse without one. It must be added last.

    It is a handler like the others, so the whole chain surrounds it: a stranger signs in first.
    """

    def __init__(self, services: Collection[str]) -> None:
        self._services = frozenset(services)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Found:
        """A handler that raises MethodUnimplemented; None for what is not ours."""
        path = str(handler_call_details.method)
        if not path.startswith(OUR_SERVICES):
            return None
        method = self._name(path.removeprefix("/"))

        async def refuse(request: bytes, context: Context) -> Any:
            raise MethodUnimplemented(method=method)

        any_behaviour: Any = refuse
        return grpc.unary_unary_rpc_method_handler(any_behaviour, request_deserializer=bytes)

    def _name(self, path: str) -> str:
        """The method's own name in a service of this server; in another one the whole path."""
        service, _, method = path.partition("/")
        return method if service in self._services else path
