"""gRPC reflection, v1 and v1alpha, for grpcurl and buf curl."""

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection import aio as reflection_aio

_V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Offers the descriptors of the services.

    The library has v1alpha only. v1 is the same on the wire under another name. That name is not
    listed, because no descriptor has it.
    """
    names = (*services, reflection.SERVICE_NAME)
    build: Any = reflection_aio.ReflectionServicer
    enable: Any = reflection.enable_server_reflection
    enable(names, server)
    messages: Any = reflection_pb2
    handler = grpc.stream_stream_rpc_method_handler(
        build(names).ServerReflectionInfo,
        messages.ServerReflectionRequest.FromString,
        messages.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_V1, methods),))
