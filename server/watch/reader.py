"""The reader looks into the database for the feeds and the watchers of one process."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from core.jobs import Job, State
from core.store import Database, events
from core.store.durations import Durations
from core.store.events import Snapshot
from server.fair_executor import FairExecutor
from server.watch.lines import Line, LineMaker
from server.watch.returns import PAGE_LINES, Missed, Returns

T = TypeVar("T")


class Reader:
    """Runs each read in a thread of the pool. All methods raise DependencyUnavailable."""

    def __init__(self, db: Database, pool: FairExecutor, lines: LineMaker) -> None:
        self._db = db
        self._pool = pool
        self._durations = Durations(db)
        self._returns = Returns(db, pool, lines)
        self.lines = lines

    async def epoch(self) -> str:
        """The name of the database's history."""
        return await self.run(self._db.epoch)

    async def revisions(self, user_ids: Sequence[str]) -> dict[str, int]:
        """The revision of each of the users that has one."""
        return await self.run(lambda: events.revisions(self._db, user_ids))

    async def live_jobs(self, user_id: str) -> tuple[int, dict[str, State]]:
        """The user's revision, and the states of the jobs that have not ended at that revision."""
        return await self.run(lambda: events.live_jobs(self._db, user_id), user_id)

    async def missed(self, user_id: str, revision: int) -> Missed:
        """What a watcher missed that returns and has seen the changes up to the revision."""
        return await self._returns.missed(user_id, revision)

    async def lines_after(self, user_id: str, revision: int) -> list[Line]:
        """The first PAGE_LINES durable changes above the revision, in order."""

        def read() -> list[Line]:
            stored = events.events_after(self._db, user_id, revision, PAGE_LINES)
            return self.lines.make_all(stored, {})

        return await self.run(read)

    async def snapshot(self, user_id: str, job_ids: Sequence[str], recent_ms: int) -> Snapshot:
        """The user's jobs and revision, of one moment; how far runs are is as of now."""

        def read() -> Snapshot:
            found = events.snapshot(self._db, user_id, job_ids=job_ids, recent_ms=recent_ms)
            return replace(found, jobs=self._as_of_now(found.jobs))

        return await self.run(read, user_id)

    async def snapshot_page(self, user_id: str, job_ids: Sequence[str], at: int) -> list[Job]:
        """More jobs of a snapshot at the revision; how far runs are is as of now."""

        def read() -> list[Job]:
            return self._as_of_now(events.snapshot_page(self._db, user_id, job_ids, at))

        return await self.run(read, user_id)

    def _as_of_now(self, jobs: Sequence[Job]) -> list[Job]:
        now_ms = self._db.now_ms()
        return [self._durations.job_as_of(now_ms, job) for job in jobs]

    async def run(self, work: Callable[[], T], user_id: str | None = None) -> T:
        """Runs it in the share of the user whose watch begins, or else in that of the process."""
        return await asyncio.get_running_loop().run_in_executor(self._pool.of(user_id), work)
