"""The reader looks into the database for the feeds and the watchers of one process."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from core.announcements import Announcement
from core.events import UserChange
from core.jobs import Job, State
from core.store import Database, all_jobs, announcements, events, inbox, jobs
from core.store.announcements import AnnouncementChange
from core.store.durations import Durations
from core.store.events import Snapshot
from server.fair_executor import FairExecutor
from server.watch.lines import NOTIFICATIONS, VIEWS, Line, LineMaker
from server.watch.query import AllQuery, WatchQuery
from server.watch.returns import PAGE_LINES, Missed, Returns

T = TypeVar("T")
# A watch begins with at most so many announcements.
MAX_ANNOUNCEMENTS = 100


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

    async def snapshot(self, user_id: str, query: WatchQuery) -> Snapshot:
        """What the watch shows first, of one moment; how far runs are is as of now."""

        def read() -> Snapshot:
            found = events.snapshot(
                self._db,
                user_id,
                job_ids=sorted(query.job_ids),
                batch_id=query.batch_id,
                recent_ms=query.recent_ms,
                with_notifications=bool(query.parts & NOTIFICATIONS),
                with_views=bool(query.parts & VIEWS),
            )
            return replace(found, jobs=self._as_of_now(found.jobs))

        return await self.run(read, user_id)

    async def snapshot_page(self, user_id: str, job_ids: Sequence[str], at: int) -> list[Job]:
        """More jobs of a snapshot at the revision; how far runs are is as of now."""

        def read() -> list[Job]:
            return self._as_of_now(events.snapshot_page(self._db, user_id, job_ids, at))

        return await self.run(read, user_id)

    def _as_of_now(self, jobs: Sequence[Job]) -> list[Job]:
        return self._durations.as_of_now(jobs)

    def newest_jobs(self, query: AllQuery, below: tuple[int, str] | None, limit: int) -> list[Job]:
        """A page of the snapshot of a watch over all users; for a thread of the pool."""
        return self._as_of_now(all_jobs.newest(self._db, **query.filters, below=below, limit=limit))

    async def count_jobs(self, query: AllQuery, user_id: str) -> int:
        """How many jobs the snapshot of a watch over all users would have without a limit."""
        return await self.run(lambda: all_jobs.count(self._db, **query.filters), user_id)

    async def changed_since(self, since: int) -> tuple[int, dict[str, int]]:
        """The time, and the last revision of each user who changed at `since` or later."""
        return await self.run(lambda: all_jobs.changed_since(self._db, since))

    async def missed_of(
        self, heads: dict[str, int | None], since: int, limit: int
    ) -> dict[str, tuple[int, list[UserChange]]]:
        """The next changes of users above their heads, at most `limit` of each, with the heads.
        That of a user whose head is None is where the user stood at `since`."""
        return await self.run(lambda: all_jobs.changes_above(self._db, heads, since, limit))

    async def has_ended(self, job_id: str) -> bool:
        """Whether the job has ended."""
        return bool(await self.run(lambda: jobs.ended(self._db, [job_id])))

    async def announcements(self, user_id: str) -> list[Announcement]:
        """The announcements that the user has not read, oldest first."""

        def read() -> list[Announcement]:
            limit = MAX_ANNOUNCEMENTS
            found = announcements.page(self._db, user_id, limit=limit, only_unread=True)
            return found[::-1]

        return await self.run(read, user_id)

    async def announcement_changes(self, since: int) -> list[AnnouncementChange]:
        """Announcements that were made and deleted at that time or later."""
        return await self.run(lambda: announcements.changed_since(self._db, since))

    async def note_watched(self, user_ids: Sequence[str]) -> None:
        """Notes that watches with notifications of these users are open."""
        await self.run(lambda: inbox.watched(self._db, user_ids))

    async def now_ms(self) -> int:
        """The database's clock."""
        return await self.run(self._db.now_ms)

    async def run(self, work: Callable[[], T], user_id: str | None = None) -> T:
        """Runs it in the share of the user whose watch begins, or else in that of the process."""
        return await asyncio.get_running_loop().run_in_executor(self._pool.of(user_id), work)
