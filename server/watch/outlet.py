"""What every watch has, whatever it shows: one write at a time, an end that says why, and limits.

A watch ends when its caller's token or key does, when the server drains, and when a write takes
too long.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from core.errors import (
    CredentialsExpired,
    CredentialsInvalid,
    RequestError,
    ServerDraining,
    WatcherTooSlow,
)
from core.process import failpoints
from server.principal import Principal
from server.watch.hub import Hub
from server.watch.signal import Signal

REVOKED = "The API key was revoked."
# What a write that is under way when the key is revoked may still take.
REVOKED_WRITE_SECONDS = 1.0
Write = Callable[[bytes], Awaitable[None]]


class Outlet:
    """Serves one call; the classes of watches say what is sent (`_run`) and how it ends."""

    __slots__ = (
        "_begun",
        "_checkpoint_at",
        "_checkpoint_ms",
        "_expire_at",
        "_gave_up",
        "_hub",
        "_principal",
        "_revoked",
        "_signal",
        "_stuck_seconds",
        "_task",
        "_write",
    )

    def __init__(
        self,
        *,
        hub: Hub,
        principal: Principal,
        write: Write,
        stuck_seconds: float,
        checkpoint_ms: int,
    ) -> None:
        self._hub = hub
        self._principal = principal
        self._write = write
        self._stuck_seconds = stuck_seconds
        self._checkpoint_ms = checkpoint_ms
        self._checkpoint_at = float("-inf")
        # Both clocks run alike; this one does not jump.
        self._expire_at = time.monotonic() + principal.expire_time / 1000 - time.time()
        self._signal = Signal()
        self._task: asyncio.Task[Any] | None = None
        self._gave_up = False
        self._begun = False
        self._revoked = False

    async def serve(self) -> None:
        """Writes until the caller leaves or the watch is done.

        Raises:
            RequestError: why the server ends the stream; the last event says it too.
        """
        self._task = asyncio.current_task()
        try:
            await self._run()
        except RequestError as error:
            if self._begun and not isinstance(error, WatcherTooSlow):
                await self._send_end(error)
            raise
        except asyncio.CancelledError:
            if self._gave_up and self._task is not None and not self._task.uncancel():
                raise WatcherTooSlow from None
            raise

    async def _run(self) -> None:
        """Sends everything until the watch is done. Raises what `serve` raises."""
        raise NotImplementedError

    def _end_response(self, error: RequestError) -> bytes:
        """The last response."""
        raise NotImplementedError

    def revoke(self) -> None:
        """Ends the watch, because the API key that it was opened with was revoked."""
        self._revoked = True
        if self._signal.write_until != float("inf"):
            self._signal.write_until = time.monotonic() + REVOKED_WRITE_SECONDS
        self._signal.make_due()

    def _is_due(self) -> bool:
        """Whether a response is due though nothing has happened.

        Raises:
            ServerDraining, CredentialsExpired, CredentialsInvalid: when the watch must end now.
        """
        self._signal.is_due = False
        if self._hub.draining.is_set():
            raise ServerDraining
        self._refuse_revoked()
        now = time.monotonic()
        if self._expire_at <= now:
            raise CredentialsExpired
        return self._checkpoint_at <= now

    def _refuse_revoked(self) -> None:
        if self._revoked:
            raise CredentialsInvalid(REVOKED)

    async def _put(self, response: bytes) -> None:
        """Writes one response.

        Raises:
            CredentialsInvalid: when the API key was revoked; a replay can be long.
        """
        self._refuse_revoked()
        failpoints.hit("watch.before_send")
        self._signal.write_until = time.monotonic() + self._stuck_seconds
        try:
            await self._write(response)
        finally:
            self._signal.write_until = float("inf")
        self._checkpoint_at = time.monotonic() + self._checkpoint_ms / 1000
        self._begun = True

    async def _send_end(self, error: RequestError) -> None:
        """Says why the stream ends. The hub does not look after this write any more."""
        try:
            async with asyncio.timeout(self._stuck_seconds):
                await self._write(self._end_response(error))
        except TimeoutError:
            raise WatcherTooSlow from None

    def _give_up(self) -> None:
        """Ends the write that is under way, which takes too long."""
        self._gave_up = True
        if self._task is not None:
            self._task.cancel()
