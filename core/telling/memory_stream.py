"""The event stream inside one process, for tests and for tools that need no Redis."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence

from core.errors import DependencyUnavailable
from core.events import Event, ProgressTick, UserChange
from core.telling.reads import BLOCK_MS
from core.telling.stream import (
    MAX_ENTRIES,
    ReadProgress,
    StreamRow,
    change_row,
    event_row,
    progress_row,
    shard_of,
)


class MemoryStream:
    """An EventStream in memory. While `reachable` is False it behaves like a Redis that is gone."""

    def __init__(self, shards: int = 1) -> None:
        self._shards = [_Shard() for _ in range(shards)]

    @property
    def reachable(self) -> bool:
        """Whether callers and tails can use the stream."""
        return all(shard.reachable for shard in self._shards)

    @reachable.setter
    def reachable(self, value: bool) -> None:
        for shard in self._shards:
            shard.reach(value)

    def publish(self, event: Event, wakes: str = "") -> None:
        """Tells a state change. Nobody is woken: a process without Redis has no workers."""
        self._add(event_row(event))

    def publish_all(self, told: Sequence[tuple[Event, str]]) -> None:
        """Tells state changes in their order."""
        for event, _ in told:
            self._add(event_row(event))

    def publish_change(self, change: UserChange) -> None:
        """Tells a change that is about no job."""
        self._add(change_row(change))

    def publish_progress(self, tick: ProgressTick) -> None:
        """Tells how far a run is."""
        self._add(progress_row(tick))

    def shard_of(self, user_id: str) -> int:
        """The shard that carries the user's rows."""
        return shard_of(user_id, len(self._shards))

    def tail(self, shard: int) -> "MemoryTail":
        """A tail for the event loop that reads it."""
        return MemoryTail(self._shards[shard])

    def _add(self, row: StreamRow) -> None:
        self._shards[self.shard_of(row.user_id)].add(row)


class MemoryTail:
    """A StreamTail in memory."""

    def __init__(self, shard: "_Shard") -> None:
        self._shard = shard
        self._position: int | None = None
        self._progress = ReadProgress()

    @property
    def is_idle(self) -> bool:
        """Whether the last read found nothing, or a read waits in vain."""
        return self._progress.is_idle

    def has_read(self, until: float) -> bool:
        """Whether everything is read that was told before `until`."""
        return self._progress.has_read(until)

    def forget_position(self) -> None:
        """Reads on from the stream's end."""
        self._position = None

    async def batches(self) -> AsyncIterator[list[StreamRow]]:
        """Batches of rows as they come."""
        with self._shard.listening() as news:
            while True:
                if self._position is None:
                    _, self._position = self._shard.after(0)
                    yield []
                    continue
                news.clear()
                self._progress.begin()
                rows, end = self._shard.after(self._position)
                if not rows:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(BLOCK_MS / 1000):
                            await news.wait()
                    # `forget_position` was called during the wait, so the old rows are not wanted.
                    if self._position is None:
                        continue
                    rows, end = self._shard.after(self._position)
                self._position = end
                self._progress.end(len(rows))
                yield rows

    async def close(self) -> None:
        """There is no connection to close."""


class _Shard:
    """The rows of one shard, numbered from 1; the oldest ones are forgotten. Safe for threads."""

    def __init__(self) -> None:
        self.reachable = True
        self._lock = threading.Lock()
        self._rows: deque[tuple[int, StreamRow]] = deque(maxlen=MAX_ENTRIES)
        self._last = 0
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def add(self, row: StreamRow) -> None:
        with self._lock:
            self._refuse_unreachable()
            self._last += 1
            self._rows.append((self._last, row))
            self._wake()

    def after(self, number: int) -> tuple[list[StreamRow], int]:
        """The rows above the number, and the number of the last row."""
        with self._lock:
            self._refuse_unreachable()
            return [row for place, row in self._rows if place > number], self._last

    def reach(self, value: bool) -> None:
        with self._lock:
            self.reachable = value
            self._wake()

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set when there is something to read."""
        news = asyncio.Event()
        with self._lock:
            self._listeners[news] = asyncio.get_running_loop()
        try:
            yield news
        finally:
            with self._lock:
                self._listeners.pop(news, None)

    def _refuse_unreachable(self) -> None:
        if not self.reachable:
            raise DependencyUnavailable("event stream")

    def _wake(self) -> None:
        for news, loop in self._listeners.items():
            loop.call_soon_threadsafe(news.set)
