"""The hub, one per server process, brings what happens to the feeds of the users watched here.

It tails the shard streams that have watchers here, one connection each, and dispatches the rows by
user. A tail that nobody needs any more ends with the next comparison. The stream may lose, repeat
or forget rows: a feed puts them in order by revision and reads gaps from the database, and every
`compare_seconds` one query finds what was never told. While the stream can't be reached, that query
is the tail.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Collection

from core.errors import DependencyUnavailable, RushesError, ServerDraining, TooManyWatches
from core.process import metrics
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.telling.stream import EventStream, StreamTail
from server.watch.everyone import Everyone
from server.watch.feed import Feed
from server.watch.reader import Reader
from server.watch.signal import Signal
from server.watch.tasks import Tasks

log = get_logger(__name__)

TAIL_START_SECONDS = 0.5
RETRY_SECONDS = 0.5
# What is committed is told within this time, if it is told at all.
LATE_SECONDS = 0.1
# More would hold up the events that come meanwhile.
COMPARE_USERS = 200
PULSE_SECONDS = 0.25


class Hub:
    """The feeds of the users who are watched in this process. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        reader: Reader,
        stream: EventStream,
        tasks: Tasks,
        everyone: Everyone,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._stream = stream
        self._work = tasks
        self._everyone = everyone
        self._feeds: dict[str, Feed] = {}
        self._tails: dict[int, _Tail] = {}
        self._signals: set[Signal] = set()
        self.draining = asyncio.Event()
        self.epoch = ""

    async def start(self) -> None:
        """Reads the epoch and begins to compare."""
        self.epoch = await self._reader.epoch()
        self._work.start(self._pulse_forever(), vital=True)
        self._work.start(self._compare_forever(), vital=True)

    async def close(self) -> None:
        """Closes the tails. The tasks that read them must have ended."""
        for tail in self._tails.values():
            await tail.stream.close()

    def drain(self) -> None:
        """Makes every watcher end, with the reason and a token."""
        self.draining.set()
        for signal in self._signals:
            signal.make_due()

    @property
    def feeds(self) -> Collection[Feed]:
        """The feeds of all users who are watched now."""
        return self._feeds.values()

    def wake_all(self) -> None:
        """Wakes every watcher, because there is something for all."""
        for signal in self._signals:
            signal.set()

    @property
    def watch_count(self) -> int:
        """How many watches are open."""
        return len(self._signals)

    def attach(self, user_id: str) -> tuple[Feed, Signal]:
        """The user's feed, which may have to begin, and the signal that wakes this watcher.

        The watcher waits until the hub `hears` the user before it looks into the database, so that
        one of both sees what happens in between. At its end it gives both back to `detach`.

        Raises:
            TooManyWatches: when the user has as many as it may.
            ServerDraining: when the process is ending.
        """
        if self.draining.is_set():
            raise ServerDraining
        feed = self._feeds.setdefault(user_id, Feed(user_id, self._reader, self._work))
        if len(feed.watchers) >= self._settings.max_watches:
            raise TooManyWatches(limit=self._settings.max_watches)
        signal = Signal()
        feed.watchers.append(signal)
        self._signals.add(signal)
        metrics.WATCHERS.inc()
        return feed, signal

    def detach(self, feed: Feed, signal: Signal) -> None:
        """Forgets the watcher, and the feed if it was the last one."""
        feed.watchers.remove(signal)
        self._signals.discard(signal)
        signal.close()
        metrics.WATCHERS.dec()
        if not feed.watchers and self._feeds.get(feed.user_id) is feed:
            del self._feeds[feed.user_id]

    def attach_all(self, user_id: str, *, ticks: bool) -> Signal:
        """The signal that wakes a watcher over all users; at its end to be given to `detach_all`.

        Raises:
            TooManyWatches: when the user has as many of these as it may.
            ServerDraining: when the process is ending.
        """
        if self.draining.is_set():
            raise ServerDraining
        if Counter(self._everyone.watchers.values())[user_id] >= self._settings.max_watches:
            raise TooManyWatches(limit=self._settings.max_watches)
        signal = Signal()
        self._everyone.add(signal, user_id, ticks=ticks)
        self._signals.add(signal)
        metrics.WATCHERS.inc()
        return signal

    def detach_all(self, signal: Signal) -> None:
        """Forgets the watcher."""
        self._everyone.remove(signal)
        self._signals.discard(signal)
        signal.close()
        metrics.WATCHERS.dec()

    async def hears(self, user_id: str) -> None:
        """Waits until the tail of the user's stream reads, but not for long."""
        await self._tail(self._stream.shard_of(user_id)).started()

    async def hears_all(self) -> None:
        """The same for the tails of all streams."""
        tails = [self._tail(shard) for shard in range(self._settings.stream_shards)]
        await asyncio.gather(*(tail.started() for tail in tails))

    def _tail(self, shard: int) -> "_Tail":
        tail = self._tails.get(shard)
        if tail is None:
            tail = self._tails[shard] = _Tail(self._stream.tail(shard))
            tail.task = self._work.start(self._follow(tail), vital=True)
        return tail

    async def _leave_shards(self) -> None:
        """Ends the tails of shards without watchers here."""
        watched = {self._stream.shard_of(user_id) for user_id in self._feeds}
        if self._everyone.watchers:
            watched |= set(range(self._settings.stream_shards))
        while left := self._tails.keys() - watched:
            # A watch that is opened meanwhile gets a new one.
            tail = self._tails.pop(left.pop())
            try:
                if tail.task is not None:
                    tail.task.cancel()
                    await asyncio.wait([tail.task])
            finally:
                await tail.stream.close()

    async def _follow(self, tail: "_Tail") -> None:
        while True:
            try:
                async for rows in tail.stream.batches():
                    tail.begun.set()
                    for row in rows:
                        feed = self._feeds.get(row.user_id)
                        if feed is not None:
                            feed.offer(row)
                    if self._everyone.watchers:
                        self._everyone.offer(rows)
            except DependencyUnavailable as error:
                log.warning("stream_unreachable", error=type(error.__cause__ or error).__name__)
                tail.begun.clear()
                await asyncio.sleep(RETRY_SECONDS)

    async def _pulse_forever(self) -> None:
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            now = time.monotonic()
            for signal in self._signals:
                signal.pulse(now)

    async def _compare_forever(self) -> None:
        while True:
            try:
                await self._compare_all()
            except RushesError as error:
                log.warning("compare_failed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _compare_all(self) -> None:
        """Compares each user once within `compare_seconds`, one part of the users after another."""
        users = [user for user, feed in self._feeds.items() if feed.head is not None]
        if users or self._everyone.watchers:
            await self._compare_epoch()
        parts = [users[at : at + COMPARE_USERS] for at in range(0, len(users), COMPARE_USERS)]
        for part in parts or [[]]:
            await asyncio.sleep(self._settings.compare_seconds / max(len(parts), 1))
            await self._compare(part)
        await self._compare_everyone()
        await self._leave_shards()

    async def _compare_epoch(self) -> None:
        epoch = await self._reader.epoch()
        if epoch != self.epoch:
            self._begin_epoch(epoch)

    async def _compare(self, users: list[str]) -> None:
        """Finds what was never told to these users, with one query."""
        if not users:
            return
        found = await self._reader.revisions(users)
        if not self._behind(found):
            return
        # The tail may just be bringing it.
        told = time.monotonic() + LATE_SECONDS / 2
        await asyncio.sleep(LATE_SECONDS)
        for feed, revision in self._behind(found):
            tail = self._tail(self._stream.shard_of(feed.user_id))
            if tail.lags_behind(told):
                # A tail that is late may still bring it, and much else. The next comparison sees.
                continue
            feed.expect(revision)
            if tail.stream.is_idle:
                # It did not bring it: after a wipe of the stream it can be deaf where it stands.
                tail.stream.forget_position()

    async def _compare_everyone(self) -> None:
        """Finds what was never told to those who watch all users."""
        if not self._everyone.watchers:
            return
        behind = await self._everyone.compare()
        if not behind:
            return
        # The tails may just be bringing it.
        told = time.monotonic() + LATE_SECONDS / 2
        await asyncio.sleep(LATE_SECONDS)
        for user_id, revision in behind.items():
            tail = self._tail(self._stream.shard_of(user_id))
            if self._everyone.has(user_id, revision) or tail.lags_behind(told):
                continue
            self._everyone.expect(user_id, revision)
            if tail.stream.is_idle:
                tail.stream.forget_position()

    def _behind(self, revisions: dict[str, int]) -> list[tuple[Feed, int]]:
        """The feeds that lack the revision of their user, with that revision."""
        feeds = [(self._feeds.get(user), revision) for user, revision in revisions.items()]
        return [(feed, revision) for feed, revision in feeds if feed and feed.is_behind(revision)]

    def _begin_epoch(self, epoch: str) -> None:
        """Drops the feeds: they hold another history. Their watchers reset themselves."""
        log.warning("epoch_changed")
        self.epoch = epoch
        feeds = list(self._feeds.values())
        self._feeds.clear()
        for feed in feeds:
            feed.wake()
        self._everyone.reset()


class _Tail:
    """A shard's stream, and whether its end is known, so that nothing later is missed."""

    def __init__(self, stream: StreamTail) -> None:
        self.stream = stream
        self.task: asyncio.Task[None] | None = None
        self.begun = asyncio.Event()

    def lags_behind(self, moment: float) -> bool:
        """Whether it reads, but has not read all that was told before the moment."""
        return self.begun.is_set() and not self.stream.has_read(moment)

    async def started(self) -> None:
        """Waits until the tail reads. It waits a moment at most: the comparison finds the rest."""
        if self.begun.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TAIL_START_SECONDS):
                await self.begun.wait()
