"""The hub: one per server process, fills the feeds of the users who are watched here.

It tails the shard streams that have watchers here, one connection each. The stream may lose, repeat
or forget: rows are put in order by revision, a gap is read from the database, and every
`compare_seconds` one query finds what was never told. With Redis gone, that query is the tail.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor
from typing import TypeVar

import redis

from core.errors import RushesError, ServerDraining, TooManyWatches
from core.events import QueueInfo, UserChange
from core.process import metrics
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.store import Database, events
from core.store.places import Queues
from core.telling.stream import StreamTail, shard_of
from server.mapping import Mapper
from server.watch.feed import Feed, Line, Signal

log = get_logger(__name__)

T = TypeVar("T")
PAGE_EVENTS = 500
TAIL_START_SECONDS = 0.5
RETRY_SECONDS = 0.5
LATE_SECONDS = 0.1
PLACES_SECONDS = 1.0
VITAL = "hub"


class Hub:
    """Feeds of the users who are watched in this process. Belongs to one event loop."""

    def __init__(
        self, settings: Settings, db: Database, pool: Executor, mapper: Mapper, queues: Queues
    ) -> None:
        self._settings = settings
        self._db = db
        self._queues = queues
        self._pool = pool
        self._mapper = mapper
        self._feeds: dict[str, Feed] = {}
        self._tails: dict[int, _Tail] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.draining = asyncio.Event()
        self.broken = asyncio.Event()
        self.epoch = ""

    async def start(self) -> None:
        """Reads the epoch and begins to compare."""
        self.epoch = await self.run(self._db.epoch)
        self._spawn(self._compare_forever(), VITAL)
        self._spawn(self._tell_places_forever(), VITAL)

    async def close(self) -> None:
        """Ends every task and connection of the hub."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for tail in self._tails.values():
            await tail.stream.close()

    def drain(self) -> None:
        """Makes every watcher end, with the reason and a token."""
        self.draining.set()
        for feed in self._feeds.values():
            feed.wake()

    @property
    def watch_count(self) -> int:
        """How many watches are open."""
        return sum(len(feed.watchers) for feed in self._feeds.values())

    async def run(self, work: Callable[[], T]) -> T:
        """Runs a database call in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    @contextlib.asynccontextmanager
    async def attach(self, user_id: str) -> AsyncIterator[tuple[Feed, Signal]]:
        """The user's feed, and what wakes its watcher.

        Raises:
            TooManyWatches: when the user has as many as it may.
            ServerDraining: when the process is ending.
        """
        if self.draining.is_set():
            raise ServerDraining
        feed = self._feeds.setdefault(user_id, Feed(user_id, self._mapper))
        if len(feed.watchers) >= self._settings.max_watches:
            raise TooManyWatches(limit=self._settings.max_watches)
        signal = Signal()
        feed.watchers.add(signal)
        metrics.WATCHERS.inc()
        try:
            # The tail first, then the head: what happens in between is seen by one of them.
            await self._tail_of(user_id).started()
            await self._read_head(feed)
            yield feed, signal
        finally:
            feed.watchers.discard(signal)
            metrics.WATCHERS.dec()
            if not feed.watchers and self._feeds.get(user_id) is feed:
                del self._feeds[user_id]

    def expect(self, feed: Feed, revision: int) -> None:
        """Says that the database has the revision: what the feed lacks of it is read."""
        feed.seen = max(feed.seen, revision)
        self._fill_if_behind(feed)

    async def news_after(self, feed: Feed, revision: int) -> list[Line]:
        """The lines above the revision that the feed knows of."""
        lines = feed.lines_after(revision)
        return await self._read_lines(feed, revision) if lines is None else lines

    async def lines_after(self, feed: Feed, revision: int) -> list[Line]:
        """The lines above the revision that there are, also those that the feed does not know."""
        return feed.lines_after(revision) or await self._read_lines(feed, revision)

    async def _read_lines(self, feed: Feed, revision: int) -> list[Line]:
        def read() -> list[UserChange]:
            return events.events_after(self._db, feed.user_id, revision, PAGE_EVENTS)

        return [feed.line(change) for change in await self.run(read)]

    async def _read_head(self, feed: Feed) -> None:
        if feed.head is not None:
            return
        head, live = await self.run(lambda: events.live_jobs(self._db, feed.user_id))
        if feed.head is None:
            feed.begin(head, live)
            self._fill_if_behind(feed)

    def _tail_of(self, user_id: str) -> "_Tail":
        shard = shard_of(user_id, self._settings.stream_shards)
        tail = self._tails.get(shard)
        if tail is None:
            tail = self._tails[shard] = _Tail(StreamTail(self._settings, shard))
            self._spawn(self._follow(tail), VITAL)
        return tail

    async def _follow(self, tail: "_Tail") -> None:
        while True:
            try:
                async for rows in tail.stream.batches():
                    tail.begun.set()
                    for row in rows:
                        feed = self._feeds.get(row.user_id)
                        if feed is not None:
                            feed.offer(row)
                            self._fill_if_behind(feed)
            except (redis.RedisError, OSError) as error:
                log.warning("stream_unreachable", error=type(error).__name__)
                tail.begun.clear()
                await asyncio.sleep(RETRY_SECONDS)

    def _fill_if_behind(self, feed: Feed) -> None:
        if feed.behind and not feed.filling:
            feed.filling = True
            self._spawn(self._fill(feed))

    async def _fill(self, feed: Feed) -> None:
        """Reads what is missing. One at a time per user, whoever saw the gap."""
        try:
            while feed.behind and feed.watchers:
                assert feed.head is not None
                found = await self._read_lines(feed, feed.head)
                metrics.GAPS_FILLED.inc()
                if not found:
                    # The database has less than was told: a history that was rewound.
                    feed.seen = feed.head
                feed.append(found)
        except RushesError as error:
            log.warning("fill_failed", user_id=feed.user_id, error=type(error).__name__)
        finally:
            feed.filling = False

    async def _compare_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.compare_seconds)
            try:
                await self._compare()
            except RushesError as error:
                log.warning("compare_failed", error=type(error).__name__)

    async def _compare(self) -> None:
        """Finds what was never told, with one query for all users."""
        users = [user for user, feed in self._feeds.items() if feed.head is not None]
        if not users:
            return
        epoch = await self.run(self._db.epoch)
        if epoch != self.epoch:
            self._begin_epoch(epoch)
        found = await self.run(lambda: events.revisions(self._db, users))
        if any(self._is_behind(user, revision) for user, revision in found.items()):
            # The tail may just be bringing it.
            await asyncio.sleep(LATE_SECONDS)
        for user, revision in found.items():
            if self._is_behind(user, revision):
                feed = self._feeds[user]
                self.expect(feed, revision)
                # It did not: a stream that was wiped can be deaf to the old position.
                self._tail_of(user).stream.forget_position()

    async def places(self, job_ids: list[str]) -> dict[str, QueueInfo]:
        """The places of those of the jobs that wait."""
        return await self.run(lambda: self._queues.places(job_ids)) if job_ids else {}

    async def _tell_places_forever(self) -> None:
        """Places in the queues, of all watched users with one query: they are no state."""
        while True:
            await asyncio.sleep(PLACES_SECONDS)
            waiting = [job_id for feed in self._feeds.values() for job_id in feed.waiting]
            try:
                places = await self.places(waiting)
            except RushesError as error:
                log.warning("places_failed", error=type(error).__name__)
                continue
            for feed in self._feeds.values():
                feed.offer_places(places)

    def _is_behind(self, user_id: str, revision: int) -> bool:
        feed = self._feeds.get(user_id)
        return feed is not None and feed.head is not None and revision > feed.head

    def _begin_epoch(self, epoch: str) -> None:
        """Another history: what the feeds hold is of the old one. Watchers reset themselves."""
        log.warning("epoch_changed")
        self.epoch = epoch
        feeds = list(self._feeds.values())
        self._feeds.clear()
        for feed in feeds:
            feed.wake()

    def _spawn(self, work: Coroutine[None, None, None], name: str | None = None) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("hub_task_broke", exc_info=error)
            if task.get_name() == VITAL:
                # Watchers would wait for ever: the process ends, and they go on elsewhere.
                self.broken.set()


class _Tail:
    """A shard's stream and whether its end is known, so that nothing later is missed."""

    def __init__(self, stream: StreamTail) -> None:
        self.stream = stream
        self.begun = asyncio.Event()

    async def started(self) -> None:
        """Waits until the tail reads, a moment at most: without Redis the comparison serves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TAIL_START_SECONDS):
                await self.begun.wait()
