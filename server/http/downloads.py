"""Downloads that run at the same time: how many there may be, and what becomes of slow readers.

Each download holds an open file and a piece of it for as long as its reader takes.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from core.errors import RateLimited

# Fewer bytes are soon in the buffers of sockets, so that they hold nothing here.
SMALL_BYTES = 128 * 1024

READ_BYTES = 64 * 1024


class Downloads:
    """Counts the downloads of a process, and those of each user's items. One event loop uses it."""

    def __init__(self, most: int, most_of_user: int) -> None:
        self._most = most
        self._most_of_user = most_of_user
        self._of_users: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, user_id: str, size: int) -> Iterator[None]:
        """A place for a download of so many bytes of an item of the user.

        Raises:
            RateLimited: when all places are taken, or all of the user's.
        """
        if size <= SMALL_BYTES:
            yield
            return
        if self._of_users[user_id] >= self._most_of_user:
            raise RateLimited("Too many downloads of this user's items are under way; try later.")
        if self._of_users.total() >= self._most:
            raise RateLimited("Too many downloads are under way; try later.")
        self._of_users[user_id] += 1
        try:
            yield
        finally:
            self._of_users[user_id] -= 1
            if not self._of_users[user_id]:
                del self._of_users[user_id]


class Download(StreamingResponse):
    """Pieces of a blob. Whatever ends it, it gives back what it held."""

    def __init__(
        self,
        pieces: Iterator[bytes],
        status: int,
        *,
        headers: dict[str, str],
        media_type: str,
        held: contextlib.ExitStack,
    ) -> None:
        super().__init__(pieces, status, headers=headers, media_type=media_type)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


class _Connection(H11Protocol):
    """A connection that ends when its reader takes nothing for `stuck_seconds`.

    It does not close in the usual way, which would wait for the reader to take the rest.
    """

    stuck_seconds: ClassVar[float]
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # How much asyncio reads at a time. Each upload holds it several times over, on its way
        # from the socket through the parser to the file.
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES
        super().connection_made(transport)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(self.stuck_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _forget(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None


def connections(stuck_seconds: float) -> type[H11Protocol]:
    """The protocol of connections whose readers may take nothing for so long."""

    class Connection(_Connection):
        pass

    Connection.stuck_seconds = stuck_seconds
    return Connection
