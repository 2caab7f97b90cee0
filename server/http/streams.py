"""`GET /v1/jobs:watch` as server-sent events: one watch at the servers for each open stream."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import grpc
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import DependencyUnavailable, RateLimited, Reason, ServerDraining
from core.process import metrics
from rushes.v1 import media_service_pb2 as pb
from server.http import sse
from server.http.calls import reason_of
from server.http.credentials import Credentials
from server.http.query import read_query
from server.http.servers import Servers
from server.http.watching import watch

KEEP_ALIVE_SECONDS = 15.0
# A server that takes the call and says nothing is given up.
FIRST_RESPONSE_SECONDS = 30.0
# When all browsers lose their streams at once, they do not return at once.
RETRY_MILLISECONDS = (1000, 3000)
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # proxies must not wait for more
    "X-Content-Type-Options": "nosniff",
}


class Streams:
    """The open streams of a process. One event loop uses it."""

    def __init__(self, servers: Servers, credentials: Credentials, most: int) -> None:
        self._servers = servers
        self._credentials = credentials
        self._most = most
        self._count = 0
        self._open: set[_Stream] = set()
        self._draining = False

    async def serve(self, request: Request) -> Response:
        """The stream that the query asks for, once its first response is there.

        Raises:
            RequestError, grpc.aio.AioRpcError: when it is refused.
        """
        if request.method != "GET":  # its routes let HEAD in with GET
            raise HTTPException(405)
        pairs = [(k, v) for k, v in request.query_params.multi_items() if k != "ticket"]
        wanted = read_query(pairs, pb.WatchJobsRequest())
        place = sse.read_place(request.headers.get("last-event-id") or wanted.resume_token)
        wanted.resume_token = place.token
        async with contextlib.AsyncExitStack() as held:
            held.enter_context(self._place())
            metadata = await self._credentials.of_stream(request)
            stream = _Stream(watch(self._servers, wanted, metadata), place)
            held.push_async_callback(stream.close)
            await stream.opened()
            self._open.add(stream)
            held.callback(self._open.discard, stream)
            return _StreamResponse(stream.messages(), held.pop_all())

    def drain(self) -> None:
        """Ends every stream, with the reason and a token to go on from."""
        self._draining = True
        for stream in self._open:
            stream.end()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if self._draining:
            raise ServerDraining
        if self._count >= self._most:
            raise RateLimited("Too many streams are open here; try later.")
        self._count += 1
        metrics.STREAMS.inc()
        try:
            yield
        finally:
            self._count -= 1
            metrics.STREAMS.dec()


class _Stream:
    """One open stream. A response is read when its reader has taken the one before."""

    def __init__(
        self, responses: AsyncGenerator[pb.WatchJobsResponse, None], place: sse.Place
    ) -> None:
        self._responses = responses
        self._token = place.token
        self._skip = sse.Skip(place)
        self._ended = False
        self._end_now: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next = asyncio.create_task(self._read())

    async def opened(self) -> None:
        """Waits for the first response.

        Raises:
            grpc.aio.AioRpcError: when the watch is refused.
            DependencyUnavailable: when there is no response in time.
        """
        done, _ = await asyncio.wait({self._next}, timeout=FIRST_RESPONSE_SECONDS)
        if not done:
            raise DependencyUnavailable("server")
        self._next.result()

    async def messages(self) -> AsyncIterator[bytes]:
        """Messages and comments, until the watch is over or the process is."""
        yield sse.retry(random.randint(*RETRY_MILLISECONDS))
        while True:
            news: set[asyncio.Future[Any]] = {self._next, self._end_now}
            done, _ = await asyncio.wait(
                news,
                timeout=KEEP_ALIVE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._end_now in done:
                yield self._message(sse.end(Reason.SERVER_DRAINING, self._token))
                return
            if not done:
                yield sse.KEEP_ALIVE
                continue
            try:
                response = self._next.result()
            except grpc.aio.AioRpcError as error:
                if not self._ended:
                    yield self._message(sse.end(reason_of(error), self._token))
                return
            if response is None:
                return
            yield self._message(self._skip.from_response(response))
            self._next = asyncio.create_task(self._read())

    def end(self) -> None:
        """Makes the stream end, with the reason that the process does."""
        if not self._end_now.done():
            self._end_now.set_result(None)

    async def close(self) -> None:
        """Ends the watch at the server."""
        self._next.cancel()
        await asyncio.gather(self._next, return_exceptions=True)
        await self._responses.aclose()

    async def _read(self) -> pb.WatchJobsResponse | None:
        return await anext(self._responses, None)

    def _message(self, response: pb.WatchJobsResponse) -> bytes:
        before, self._token = self._token, response.resume_token
        self._ended = any(event.HasField("end") for event in response.events)
        return sse.encode(response, before)


class _StreamResponse(StreamingResponse):
    """Whatever ends it, it gives back what it held."""

    def __init__(self, messages: AsyncIterator[bytes], held: contextlib.AsyncExitStack) -> None:
        super().__init__(messages, headers=_HEADERS)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)
