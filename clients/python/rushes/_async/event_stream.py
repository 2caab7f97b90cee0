"""The events of a watch, read from one connection after the other."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

from rushes._async.seam import AsyncClock, AsyncEvent, AsyncResponseReader
from rushes.errors import RushesError
from rushes.v1.media_service_pb2 import WatchEvent, WatchJobsRequest
from rushes.watch_protocol import Stop, WatchProtocol


class AsyncEventStream(AsyncIterator[WatchEvent]):
    """The events of a watch, for as long as it lasts; it connects again by itself.

    Every state change comes once and in order. After a break SYNCED comes again; RESET says to
    drop what was learned, a snapshot follows. Use it with `async with`, or call `aclose()`: both
    end the call at the server.

    resume_token: goes on after all that was handed out and dealt with.
    """

    def __init__(
        self,
        connect: Callable[[WatchJobsRequest], Awaitable[AsyncResponseReader]],
        protocol: WatchProtocol,
        clock: AsyncClock,
        on_retry: Callable[[RushesError, float], None] | None = None,
    ) -> None:
        self.resume_token = protocol.resume_token
        self._connect = connect
        self._protocol = protocol
        self._clock = clock
        self._on_retry = on_retry
        self._news: deque[WatchEvent] = deque()
        self._reader: AsyncResponseReader | None = None
        self._over = AsyncEvent()

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
            # The caller has dealt with all that was handed out, or it would not ask for more.
            self.resume_token = self._protocol.resume_token
            if self._over.is_set():
                raise StopAsyncIteration
            self._news.extend(await self._read())
        return self._news.popleft()

    async def aclose(self) -> None:
        """Ends the watch, whoever is reading it; the iterator stops."""
        self._over.set()
        await self._hang_up()

    async def _read(self) -> list[WatchEvent]:
        failure: RushesError | None = None
        try:
            reader = self._reader or await self._open()
            response = await reader.read(self._protocol.read_timeout(self._clock.now()))
        except RushesError as error:
            failure = error
        except BaseException:
            # The caller was interrupted or cancelled; the next read connects anew.
            await self._hang_up()
            raise
        else:
            if response is not None:
                return self._protocol.receive(response, self._clock.now())
        await self._hang_up()
        await self._go_on_or_stop(failure)
        return []

    async def _open(self) -> AsyncResponseReader:
        reader = self._reader = await self._connect(self._protocol.request())
        if self._over.is_set():
            await self._hang_up()
        return reader

    async def _go_on_or_stop(self, failure: RushesError | None) -> None:
        if self._over.is_set():
            return
        step = self._protocol.ended(failure, self._clock.now())
        if isinstance(step, Stop):
            self._over.set()
            if step.error is not None:
                raise step.error
            return
        if self._on_retry is not None:
            self._on_retry(step.error, step.delay)
        await self._clock.wait(self._over, step.delay)

    async def _hang_up(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.cancel()
