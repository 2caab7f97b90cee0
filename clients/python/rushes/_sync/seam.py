"""What threads do in their own way: events, channels, time limits. Written by hand.

`rushes/_async/seam.py` has the same names with `Async`.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import grpc

from rushes.v1.media_service_pb2 import WatchJobsResponse
from rushes.wire import channel_options, parse_server, read_error, went_silent

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
Result = TypeVar("Result")
Channel = grpc.Channel
Event = threading.Event
Token = str | Callable[[], str]


class Method(Protocol[Request, Answer]):
    """A unary method of the stub."""

    def __call__(
        self,
        request: Request,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] | None = None,
    ) -> Answer: ...


class Call(Protocol):
    """An open stream of responses."""

    def __next__(self) -> WatchJobsResponse: ...
    def cancel(self) -> object: ...


class Clock:
    """Time as the client sees it; a test can put its own in its place."""

    def now(self) -> float:
        """Seconds that only rise."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits until `event` is set, or for that time; whether it is set."""
        return event.wait(seconds)


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


class ResponseReader:
    """Reads one open stream, each read with a time limit."""

    def __init__(self, call: Call, server: str) -> None:
        self._call = call
        self._server = server
        self._watchdog = Watchdog(call.cancel)

    def __del__(self) -> None:
        # A stream that its caller forgot leaves no call and no thread.
        if hasattr(self, "_watchdog"):
            self.cancel()

    def read(self, seconds: float) -> WatchJobsResponse | None:
        """The next response; None when the stream has ended with OK.

        Raises:
            RushesError: when the stream failed, or stayed silent for that time.
        """
        try:
            with self._watchdog.armed(seconds):
                return next(self._call)
        except StopIteration:
            return None
        except grpc.RpcError as error:
            if self._watchdog.bitten:
                raise went_silent() from error
            raise read_error(error, self._server) from error

    def cancel(self) -> None:
        """Ends the call, also at the server."""
        self._call.cancel()
        self._watchdog.end()


def open_channel(server: str, secure: bool) -> Channel:
    """The one channel to `server`; it connects at the first call."""
    target, secure = parse_server(server, secure)
    options = channel_options(target)
    if secure:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(target, options)


def current_token(token: Token) -> str:
    """The token for the next call."""
    return token() if callable(token) else token


def run_blocking(work: Callable[[threading.Event], Result], closed: threading.Event) -> Result:
    """The result of `work`, which gives up once `closed` is set."""
    return work(closed)
