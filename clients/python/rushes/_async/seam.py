"""What asyncio does in its own way: events, channels, time limits, threads.

`rushes/_sync/seam.py` has the same names without `Async`. Everything that stands on them is written
once, in `rushes/_async/`, and generated for threads.
"""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import grpc
from grpc import aio

from rushes.v1.media_service_pb2 import WatchJobsResponse
from rushes.wire import channel_options, parse_server, read_error, went_silent

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
Result = TypeVar("Result")
AsyncChannel = aio.Channel
AsyncEvent = asyncio.Event
AsyncToken = str | Callable[[], str | Awaitable[str]]


class AsyncMethod(Protocol[Request, Answer]):
    """A unary method of the stub."""

    def __call__(
        self,
        request: Request,
        *,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] | None = None,
    ) -> Awaitable[Answer]: ...


class AsyncCall(Protocol):
    """An open stream of responses."""

    async def read(self) -> Any: ...
    def cancel(self) -> bool: ...


class AsyncClock:
    """Time as the client sees it; a test can put its own in its place."""

    def now(self) -> float:
        """Seconds that only rise."""
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Waits until `event` is set, or for that time; whether it is set."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        return event.is_set()


class AsyncResponseReader:
    """Reads one open stream, each read with a time limit."""

    def __init__(self, call: AsyncCall, server: str) -> None:
        self._call = call
        self._server = server
        self._cancelled = False

    async def read(self, seconds: float) -> WatchJobsResponse | None:
        """The next response; None when the stream has ended with OK, or was cancelled here.

        Raises:
            RushesError: when the stream failed, or stayed silent for that time.
        """
        try:
            async with asyncio.timeout(seconds):
                response = await self._call.read()
        except TimeoutError:
            raise went_silent() from None
        except grpc.RpcError as error:
            raise read_error(error, self._server) from error
        except asyncio.CancelledError:
            # gRPC raises it too when `cancel` ended the call while this task was reading.
            if not self._cancelled or _is_being_cancelled():
                raise
            return None
        return None if response is aio.EOF else response

    async def cancel(self) -> None:
        """Ends the call, also at the server."""
        self._cancelled = True
        self._call.cancel()


def open_channel(server: str, secure: bool) -> AsyncChannel:
    """The one channel to `server`; it connects at the first call."""
    target, secure = parse_server(server, secure)
    options = channel_options(target)
    if secure:
        return aio.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return aio.insecure_channel(target, options)


async def current_token(token: AsyncToken) -> str:
    """The token for the next call."""
    found = token() if callable(token) else token
    return await found if inspect.isawaitable(found) else found


async def run_blocking(work: Callable[[threading.Event], Result], closed: asyncio.Event) -> Result:
    """The result of `work`, which runs in a thread and gives up once its event is set."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        # The thread can't be cancelled: it looks at this between two chunks.
        stop.set()


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
