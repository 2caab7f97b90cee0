"""One TLS context for all HTTP clients of a process, and a transport of many connections.

Polls use that transport.

For each request, a pool of httpcore2 makes a system call for each of its idle connections. With 200
of them that costs 1.5 ms of CPU a request, as much as all other work on it. So the transport has
many small pools. It uses the first pool with room, so that the last pools fall idle.
"""

import functools
import ssl
from collections.abc import AsyncIterator, Callable

import httpx2

EACH = 8
# Longer than most pauses between two polls, shorter than servers keep a connection.
IDLE_SECONDS = 30.0


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The TLS context of all clients of this process; to load one takes 25 ms of CPU."""
    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    # httpcore2 would set that again for each connection. To change a context while another thread
    # opens a connection with it can end the process (https://github.com/python/cpython/issues/141012).
    context.set_alpn_protocols = lambda alpn_protocols: None  # type: ignore[method-assign]
    return context


class ManyConnections(httpx2.AsyncBaseTransport):
    """A transport of at most about `most` connections, for one event loop."""

    def __init__(self, most: int) -> None:
        limits = httpx2.Limits(
            max_connections=EACH, max_keepalive_connections=EACH, keepalive_expiry=IDLE_SECONDS
        )
        self._pools = [
            httpx2.AsyncHTTPTransport(verify=tls_context(), limits=limits)
            for _ in range(-(-most // EACH))
        ]
        self._busy = [0] * len(self._pools)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request through the first pool with room."""
        place = next((p for p, busy in enumerate(self._busy) if busy < EACH), self._least_busy())
        self._busy[place] += 1
        try:
            response = await self._pools[place].handle_async_request(request)
        except BaseException:
            self._busy[place] -= 1
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Counted(response.stream, lambda: self._give_back(place))
        return response

    async def aclose(self) -> None:
        """Closes all connections."""
        for pool in self._pools:
            await pool.aclose()

    def _least_busy(self) -> int:
        return self._busy.index(min(self._busy))

    def _give_back(self, place: int) -> None:
        self._busy[place] -= 1


class _Counted(httpx2.AsyncByteStream):
    """Calls back once when the stream is closed."""

    def __init__(self, inner: httpx2.AsyncByteStream, closed: Callable[[], None]) -> None:
        self._inner = inner
        self._closed: Callable[[], None] | None = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        """Calls back even if closing fails: the pool has forgotten the request by then."""
        try:
            await self._inner.aclose()
        finally:
            closed, self._closed = self._closed, None
            if closed is not None:
                closed()
