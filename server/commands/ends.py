"""Calls that wait for a job's end: one query looks at the jobs of all of them, twice a second."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor

from core.errors import RateLimited, RushesError
from core.process.telemetry import get_logger
from core.store import Database
from core.store import jobs as job_store

log = get_logger(__name__)

LOOK_SECONDS = 0.5
JOBS_AT_ONCE = 500


class Ends:
    """Wakes the calls whose job has ended. Belongs to one event loop.

    Invariant: `_look` runs while a call waits, so nothing is asked when nobody does.
    """

    def __init__(self, db: Database, pool: Executor, most: int) -> None:
        self._db = db
        self._pool = pool
        self._most = most
        self._calls: Counter[str] = Counter()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._look: asyncio.Task[None] | None = None
        self.draining = False

    def drain(self) -> None:
        """Wakes every call, and lets no other wait."""
        self.draining = True
        self._wake(list(self._waiting))

    @contextlib.contextmanager
    def place(self, user_id: str) -> Iterator[None]:
        """One of the user's places for a call that waits.

        Raises:
            RateLimited: when all of them are taken; it names the limit.
        """
        if self._calls[user_id] >= self._most:
            text = f"At most {self._most} of your calls may wait for a job's end; use WatchJobs."
            raise RateLimited(text, limit=self._most)
        self._calls[user_id] += 1
        try:
            yield
        finally:
            self._calls[user_id] -= 1
            if not self._calls[user_id]:
                del self._calls[user_id]

    async def wait(self, job_id: str, seconds: float) -> None:
        """Returns when the job has ended, when the time is over, or when the process drains."""
        if self.draining:
            return
        ended = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(ended)
        if self._look is None:
            self._look = asyncio.get_running_loop().create_task(self._look_while_calls_wait())
        try:
            async with asyncio.timeout(seconds):
                await ended.wait()
        except TimeoutError:
            return
        finally:
            calls = self._waiting.get(job_id, set())
            calls.discard(ended)
            if not calls:
                self._waiting.pop(job_id, None)

    async def _look_while_calls_wait(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(LOOK_SECONDS)
                job_ids = list(self._waiting)
                for at in range(0, len(job_ids), JOBS_AT_ONCE):
                    part = job_ids[at : at + JOBS_AT_ONCE]
                    try:
                        ended = await loop.run_in_executor(
                            self._pool, job_store.ended, self._db, part
                        )
                    except RushesError as error:
                        # The next look may see it; a call whose time is over tells its caller.
                        log.warning("look_failed", error=type(error).__name__)
                        break
                    self._wake(ended)
        finally:
            self._look = None

    def _wake(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            for ended in self._waiting.get(job_id, ()):
                ended.set()
