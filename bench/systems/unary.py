"""The floor of unary calls: `python -m bench.systems.unary ADDRESS` is a bare grpc.aio server on
uvloop. It answers a request, which is a number in digits, with so many bytes."""

import sys
from typing import Any

import grpc
import uvloop

from bench.harness.client import lines, say
from bench.systems.floor import OPTIONS

PATH = "/bench.Floor/Answer"


async def _answer(request: bytes, _: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
    return bytes(int(request))


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self._handler: Any = grpc.unary_unary_rpc_method_handler(_answer)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == PATH else None


async def _serve(address: str) -> None:
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((_Handlers(),))
    server.add_insecure_port(address)
    await server.start()
    say({})
    await (await lines()).read()
    await server.stop(None)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
