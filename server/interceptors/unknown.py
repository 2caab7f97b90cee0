"""What answers for methods of ours that this version does not have."""

from typing import Any

import grpc

from core.errors import MethodUnimplemented
from server.interceptors.layer import OUR_SERVICES, Context, Found

_MEDIA_SERVICE = "rushes.v1.MediaService/"


class UnknownMethods(grpc.GenericRpcHandler):
    """Refuses with a reason what gRPC would refuse without one. Must be added last.

    As a handler like the others it has the whole chain about it: a stranger signs in first.
    """

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Found:
        """A handler that raises MethodUnimplemented; None for what is not ours."""
        path = str(handler_call_details.method)
        if not path.startswith(OUR_SERVICES):
            return None
        method = path.removeprefix("/").removeprefix(_MEDIA_SERVICE)

        async def refuse(request: bytes, context: Context) -> Any:
            raise MethodUnimplemented(method=method)

        any_behaviour: Any = refuse
        return grpc.unary_unary_rpc_method_handler(any_behaviour, request_deserializer=bytes)
