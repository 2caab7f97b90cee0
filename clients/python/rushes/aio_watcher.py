"""The asyncio shell around `WatchState`."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, Self

import grpc
from grpc import aio

from rushes.errors import DeadlineExceeded, RushesError
from rushes.v1.media_service_pb2 import WatchEvent, WatchJobsRequest, WatchJobsResponse
from rushes.watch import Stop, WatchState
from rushes.watcher import Clock
from rushes.wire import read_error


class AsyncCall(Protocol):
    """An open stream of responses."""

    async def read(self) -> Any: ...
    def cancel(self) -> bool: ...


class AsyncWatch(AsyncIterator[WatchEvent]):
    """The events of a watch, for as long as it lasts; it connects again by itself.

    As `rushes.Watch`: every state change comes once and in order; SYNCED comes again after a
    break, RESET says to drop what was learned. Use it with `async with`, or call `aclose()`.
    """

    def __init__(
        self,
        open_call: Callable[[WatchJobsRequest], Awaitable[AsyncCall]],
        state: WatchState,
        clock: Clock,
        on_retry: Callable[[RushesError, float], None] | None = None,
    ) -> None:
        self.resume_token = state.resume_token
        self._open_call = open_call
        self._state = state
        self._clock = clock
        self._on_retry = on_retry
        self._news: deque[WatchEvent] = deque()
        self._call: AsyncCall | None = None
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __anext__(self) -> WatchEvent:
        """The next event.

        Raises:
            RushesError: when the watch ends and not because it was asked to.
        """
        while not self._news:
            self.resume_token = self._state.resume_token
            if self._over.is_set():
                raise StopAsyncIteration
            self._news.extend(await self._read())
        return self._news.popleft()

    async def aclose(self) -> None:
        """Ends the watch; the iterator stops."""
        self._over.set()
        self._hang_up()

    async def _read(self) -> list[WatchEvent]:
        failure: RushesError | None = None
        try:
            response = await self._read_response()
        except TimeoutError:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            failure = DeadlineExceeded("The server has gone silent.", code=code)
        except grpc.RpcError as error:
            failure = read_error(error)
        except asyncio.CancelledError:
            # gRPC raises it as well when `aclose` ended the call while this task was reading.
            if not self._over.is_set() or _is_being_cancelled():
                self._hang_up()
                raise
        else:
            if response is not None:
                return self._state.receive(response, self._clock.now())
        self._hang_up()
        await self._go_on_or_stop(failure)
        return []

    async def _read_response(self) -> WatchJobsResponse | None:
        if self._call is None:
            self._call = await self._open_call(self._state.request())
        async with asyncio.timeout(self._state.read_timeout(self._clock.now())):
            response = await self._call.read()
        return None if response is aio.EOF else response

    async def _go_on_or_stop(self, failure: RushesError | None) -> None:
        if self._over.is_set():
            return
        step = self._state.ended(failure, self._clock.now())
        if isinstance(step, Stop):
            self._over.set()
            if step.error is not None:
                raise step.error
            return
        if self._on_retry is not None:
            self._on_retry(step.error, step.delay)
        await pause(self._over, step.delay)

    def _hang_up(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()


async def pause(event: asyncio.Event, seconds: float) -> bool:
    """Waits until `event` is set, or for that time; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
