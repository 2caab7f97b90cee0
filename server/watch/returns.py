"""Returns: the watchers that come back, and what they missed.

After a restart or a lost edge they come by the thousand. They are read in the order in which they
came, many in one look at the database, and one look at a time, so that live events go on between.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from core.events import UserChange
from core.store import Database, replay
from core.store.replay import LiveJob, Replay, Return
from server.mapping import Asked
from server.watch.lines import Line, LineMaker

PAGE_LINES = 500
# How many returns one look serves, and how many lines are made before other tasks run.
LOOK_RETURNS = 32
LINES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Missed:
    """What a returning watcher missed: a `Replay` whose changes are lines."""

    head: int
    live: dict[str, LiveJob]
    is_whole: bool
    lines: list[Line]


class Returns:
    """Reads what returning watchers missed. Belongs to one event loop."""

    def __init__(self, db: Database, pool: Executor, lines: LineMaker) -> None:
        self._db = db
        self._pool = pool
        self._lines = lines
        self._waiting: deque[tuple[Return, asyncio.Future[Replay]]] = deque()
        self._look: asyncio.Task[None] | None = None

    async def missed(self, user_id: str, revision: int) -> Missed:
        """What a watcher missed that has seen the user's changes up to the revision.

        Raises:
            DependencyUnavailable: when the database can't be reached.
            ValueError, KeyError, TypeError: when a change can't be read.
        """
        future: asyncio.Future[Replay] = asyncio.get_running_loop().create_future()
        self._waiting.append((Return(user_id, revision), future))
        if self._look is None:
            self._look = asyncio.create_task(self._look_while_any_wait())
        found = await future
        return Missed(found.head, found.live, found.is_whole, await self._lined(found.changes))

    async def _look_while_any_wait(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while taken := self._take():
                look = loop.run_in_executor(self._pool, self._read, [one for one, _ in taken])
                [found] = await asyncio.gather(look, return_exceptions=True)
                # Each of the watchers tells its caller what went wrong.
                each: Sequence[Replay | BaseException] = (
                    [found] * len(taken) if isinstance(found, BaseException) else found
                )
                for (_, future), result in zip(taken, each, strict=True):
                    _settle(future, result)
        finally:
            self._look = None

    def _take(self) -> list[tuple[Return, asyncio.Future[Replay]]]:
        """The next returns whose watchers still wait."""
        taken: list[tuple[Return, asyncio.Future[Replay]]] = []
        while self._waiting and len(taken) < LOOK_RETURNS:
            one, future = self._waiting.popleft()
            if not future.done():
                taken.append((one, future))
        return taken

    def _read(self, returns: Sequence[Return]) -> list[Replay]:
        return replay.replays(self._db, returns, PAGE_LINES)

    async def _lined(self, changes: Sequence[UserChange]) -> list[Line]:
        """The lines of the changes, made a few at a time.

        They are made in the event loop: a thread would take as long, and have to share the
        interpreter with the loop, which costs both of them more.
        """
        asked: Asked = {}
        lines: list[Line] = []
        for at in range(0, len(changes), LINES_AT_ONCE):
            if at:
                await asyncio.sleep(0)
            lines += self._lines.make_all(changes[at : at + LINES_AT_ONCE], asked)
        return lines


def _settle(future: asyncio.Future[Replay], result: Replay | BaseException) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
