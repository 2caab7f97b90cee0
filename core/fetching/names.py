"""Resolves host names for an event loop, however long the system's resolver takes.

It has no limit of time, so each question runs in a thread of its own. A name is asked for once at a
time, and its answer is kept for a moment.
"""

import asyncio
import threading
import time
from collections.abc import Callable

from core.fetching.addresses import IPAddress, Resolve, resolve

KEPT_SECONDS = 30.0
MOST_KEPT = 10_000
# Threads that may wait for an answer at once. Names that don't answer are many only in an attack.
MOST_ASKED = 256
Found = list[IPAddress] | OSError


class Names:
    """The IP addresses of host names, for one event loop at a time."""

    def __init__(
        self, resolve: Resolve = resolve, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._resolve = resolve
        self._clock = clock
        self._kept: dict[str, tuple[float, Found]] = {}
        self._asked: dict[str, asyncio.Future[Found]] = {}

    async def find(self, host: str) -> list[IPAddress]:
        """The addresses of the name.

        Raises:
            OSError: when it has none, nobody answers, or too many names are asked for.
        """
        until, found = self._kept.get(host, (0.0, OSError()))
        if until <= self._clock():
            # Who gives up does not end the question, because others may wait for it.
            found = await asyncio.shield(self._ask(host))
        if isinstance(found, OSError):
            raise found
        return found

    def _ask(self, host: str) -> "asyncio.Future[Found]":
        asked = self._asked.get(host)
        if asked is None:
            if len(self._asked) >= MOST_ASKED:
                raise OSError("too many names are asked for")
            asked = self._asked[host] = asyncio.get_running_loop().create_future()
            threading.Thread(
                target=self._run, args=(host, asked), name="resolver", daemon=True
            ).start()
        return asked

    def _run(self, host: str, asked: "asyncio.Future[Found]") -> None:
        try:
            found: Found = self._resolve(host)
        except (OSError, UnicodeError) as error:
            found = error if isinstance(error, OSError) else OSError("not a name")
        loop = asked.get_loop()
        try:
            loop.call_soon_threadsafe(self._answered, host, asked, found)
        except RuntimeError:  # the loop has ended meanwhile
            return

    def _answered(self, host: str, asked: "asyncio.Future[Found]", found: Found) -> None:
        self._asked.pop(host, None)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[host] = self._clock() + KEPT_SECONDS, found
        if not asked.done():
            asked.set_result(found)
