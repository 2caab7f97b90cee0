"""The health of this server, for Envoy, probes and `grpc_health_probe`.

Nobody needs a token for it, so nothing that a caller sends may be large or held for long.
"""

from typing import Any

import grpc
from grpc_health.v1 import health

MAX_REQUEST_BYTES = 300
_module: Any = health
_Base: Any = _module.aio.HealthServicer


class Health(_Base):  # type: ignore[misc]
    """The standard service, with a bound on what is asked for."""

    async def Check(self, request: Any, context: Any) -> Any:
        """The state of a service.

        Aborts with NOT_FOUND for an unknown one, and INVALID_ARGUMENT for a name that is too long.
        """
        await _refuse_large(request, context)
        return await super().Check(request, context)

    async def Watch(self, request: Any, context: Any) -> None:
        """The state of a service whenever it changes; aborts as `Check` for a long name."""
        await _refuse_large(request, context)
        await super().Watch(request, context)

    async def List(self, request: Any, context: Any) -> None:
        """Not offered: the base class would answer with the name of a Python exception."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "List is not supported.")


async def _refuse_large(request: Any, context: Any) -> None:
    # All bytes count: fields that nobody knows are held too.
    if request.ByteSize() > MAX_REQUEST_BYTES:
        text = f"service: a request has at most {MAX_REQUEST_BYTES} bytes"
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
