"""The synchronous shell around `WatchState`: one call at a time, its watchdog, and the iterator."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, Self

import grpc

from rushes.errors import DeadlineExceeded, RushesError
from rushes.v1.media_service_pb2 import WatchEvent, WatchJobsRequest, WatchJobsResponse
from rushes.watch import Stop, WatchState
from rushes.wire import read_error


class Clock:
    """Time as the client sees it; tests put their own in its place."""

    def now(self) -> float:
        """Seconds that only rise."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits until `event` is set, or for that time; whether it is set."""
        return event.wait(seconds)


class Call(Protocol):
    """An open stream of responses."""

    def __next__(self) -> WatchJobsResponse: ...
    def cancel(self) -> object: ...


class Watchdog:
    """Cancels what takes too long: gRPC has deadlines for calls, not for one read of a stream."""

    def __init__(self, bite: Callable[[], object]) -> None:
        self.bitten = False
        self._bite = bite
        self._changed = threading.Condition()
        self._deadline = self._planned = float("inf")
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="rushes-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def armed(self, seconds: float) -> Iterator[None]:
        """Bites when the block takes longer than `seconds`."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            # Waking the thread at every read would cost more than the read.
            if self._deadline < self._planned:
                self._changed.notify()
        try:
            yield
        finally:
            self._deadline = float("inf")

    def end(self) -> None:
        """Ends the thread and waits for it."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                if now >= self._deadline:
                    self.bitten = True
                    self._bite()
                    return
                # A deadline set while this sleeps lies after `_planned`, or it wakes us.
                self._planned = min(self._deadline, now + threading.TIMEOUT_MAX / 2)
                self._changed.wait(self._planned - now)


class Watch(Iterator[WatchEvent]):
    """The events of a watch, for as long as it lasts; it connects again by itself.

    Every state change comes once and in order. After a break SYNCED comes again; RESET says to
    drop what was learned, a snapshot follows. Use it with `with`, or call `close()`: both end the
    call at the server.
    """

    def __init__(
        self,
        open_call: Callable[[WatchJobsRequest], Call],
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
        self._open: tuple[Call, Watchdog] | None = None
        self._over = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_over"):
            self.close()

    def __next__(self) -> WatchEvent:
        """The next event.

        Raises:
            RushesError: when the watch ends and not because it was asked to.
        """
        while not self._news:
            # All that was handed out has been dealt with, or the caller would not ask for more.
            self.resume_token = self._state.resume_token
            if self._over.is_set():
                raise StopIteration
            self._news.extend(self._read())
        return self._news.popleft()

    def close(self) -> None:
        """Ends the watch, also from another thread; the iterator stops."""
        self._over.set()
        self._hang_up()

    def _read(self) -> list[WatchEvent]:
        failure: RushesError | None = None
        try:
            call, watchdog = self._open or self._connect()
            with watchdog.armed(self._state.read_timeout(self._clock.now())):
                response = next(call)
        except StopIteration:
            pass
        except grpc.RpcError as error:
            failure = self._explain(error)
        else:
            return self._state.receive(response, self._clock.now())
        self._hang_up()
        self._go_on_or_stop(failure)
        return []

    def _connect(self) -> tuple[Call, Watchdog]:
        call = self._open_call(self._state.request())
        opened = self._open = (call, Watchdog(call.cancel))
        if self._over.is_set():
            self._hang_up()
        return opened

    def _explain(self, error: grpc.RpcError) -> RushesError:
        if self._open is not None and self._open[1].bitten:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            return DeadlineExceeded("The server has gone silent.", code=code)
        return read_error(error)

    def _go_on_or_stop(self, failure: RushesError | None) -> None:
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
        self._clock.wait(self._over, step.delay)

    def _hang_up(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            call, watchdog = opened
            call.cancel()
            watchdog.end()
