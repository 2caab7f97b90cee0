"""Returns: the watchers that come back, and what they missed.

After a restart or a lost edge they come by the thousand. They are read in the order in which they
came, many in one look at the database, and few looks at a time, so that live events go on between.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from core.store import Database, replay
from core.store.replay import LiveJob, Replay, Return
from server.watch.lines import Line, LineMaker

PAGE_LINES = 500
# How many returns one look serves, and how many looks run at a time. While a thread maps what a
# look found, the event loop has to share the interpreter with it.
LOOK_RETURNS = 16
LOOKS = 2


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
        self._waiting: deque[tuple[Return, asyncio.Future[Missed]]] = deque()
        self._looks: set[asyncio.Task[None]] = set()

    async def missed(self, user_id: str, revision: int) -> Missed:
        """What a watcher missed that has seen the user's changes up to the revision.

        Raises:
            DependencyUnavailable: when the database can't be reached.
        """
        future: asyncio.Future[Missed] = asyncio.get_running_loop().create_future()
        self._waiting.append((Return(user_id, revision), future))
        if len(self._looks) < LOOKS:
            look = asyncio.create_task(self._look_while_any_wait())
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
        return await future

    async def _look_while_any_wait(self) -> None:
        loop = asyncio.get_running_loop()
        while taken := self._take():
            returns = [one for one, _ in taken]
            look = loop.run_in_executor(self._pool, self._read, returns)
            [found] = await asyncio.gather(look, return_exceptions=True)
            if isinstance(found, BaseException):
                # Each of the watchers tells its caller.
                found = [found] * len(taken)
            for (_, future), missed in zip(taken, found, strict=True):
                _settle(future, missed)

    def _take(self) -> list[tuple[Return, asyncio.Future[Missed]]]:
        """The next returns whose watchers still wait."""
        taken: list[tuple[Return, asyncio.Future[Missed]]] = []
        while self._waiting and len(taken) < LOOK_RETURNS:
            one, future = self._waiting.popleft()
            if not future.done():
                taken.append((one, future))
        return taken

    def _read(self, returns: Sequence[Return]) -> list[Missed | BaseException]:
        return [self._lined(one) for one in replay.replays(self._db, returns, PAGE_LINES)]

    def _lined(self, one: Replay) -> Missed | BaseException:
        try:
            lines = self._lines.make_all(one.changes)
        except (ValueError, KeyError, TypeError) as error:
            # A change that can't be read ends the watches of its user, and of nobody else.
            return error
        return Missed(one.head, one.live, one.is_whole, lines)


def _settle(future: asyncio.Future[Missed], result: Missed | BaseException) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
