"""The server processes as the HTTP process calls them: with the credentials of each caller."""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import grpc

from rushes.v1.media_service_pb2_grpc import MediaServiceStub

MAX_RECEIVE_BYTES = 8 * 1024 * 1024
CALL_SECONDS = 10.0
# A process that is started again is back by then. Somebody who waits longer is rather told.
AWAY_SECONDS = 3.0
PAUSE_SECONDS = 0.05
Metadata = tuple[tuple[str, str], ...]
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.enable_http_proxy", 0),
    # A server that was killed is back soon; by itself gRPC would wait up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Pings find a server that hangs. Servers allow one each 10 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # What a watch may hold here while its reader takes nothing does not grow.
    ("grpc.http2.bdp_probe", 0),
]


class Servers:
    """Takes turns at the server processes. Must be made in the event loop that it is used in."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._channels = [grpc.aio.insecure_channel(one, options=_OPTIONS) for one in addresses]
        self._turns = cycle([MediaServiceStub(channel) for channel in self._channels])

    def next(self) -> Any:
        """The stub of the next process, which may be away."""
        return next(self._turns)

    async def read(self, method: str, request: Any, metadata: Metadata) -> Any:
        """The answer to a call that changes nothing, so that several processes may be tried.

        Raises:
            grpc.aio.AioRpcError: when the call is refused, or all processes are away for a while.
        """
        give_up_at = time.monotonic() + AWAY_SECONDS
        while True:
            call = getattr(self.next(), method)
            try:
                return await call(request, metadata=metadata, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                away = error.code() is grpc.StatusCode.UNAVAILABLE
                if not away or time.monotonic() > give_up_at:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Ends every call."""
        for channel in self._channels:
            await channel.close()
