"""What the HTTP clients of a process share: one TLS context; and many connections for polls.

A pool of httpcore2 looks at each idle connection, with a system call, for each request: 200 of them
cost 1.5 ms of CPU a request, as much as all else together. So there are many small pools; the first
one with room is used, that the last ones fall idle.
"""

import functools
import ssl
from collections.abc import AsyncIterator, Callable

import httpx2

EACH = 8
# Longer than most pauses between two questions, shorter than servers keep a connection.
IDLE_SECONDS = 30.0


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Whom the clients of this process trust: one for all, as reading that takes 25 ms of CPU."""
    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    # httpcore2 would say that again for each connection; to change what another thread is opening a
    # connection with can end the process (https://github.com/python/cpython/issues/141012).
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
        """Sends it by the first pool with room."""
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
    """Says once when it is closed."""

    def __init__(self, inner: httpx2.AsyncByteStream, closed: Callable[[], None]) -> None:
        self._inner = inner
        self._closed: Callable[[], None] | None = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        """Also when closing fails the pool has no such request any more."""
        try:
            await self._inner.aclose()
        finally:
            closed, self._closed = self._closed, None
            if closed is not None:
                closed()
