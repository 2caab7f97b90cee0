"""Everyone: the events of all users' jobs in one order, while an administrator watches here.

The hub offers every row of every shard. A row at its user's head + 1 is appended, and one at or
below the head is dropped. For any other one, and for a user who was not seen before, the database
is read. Every `compare_seconds` one query finds the users whose changes nobody brought. So each
user's events come in order and without a gap. Nothing is kept, read or decoded without a watcher.
"""

import itertools
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from core.errors import RushesError
from core.events import JOB_KIND
from core.jobs import State
from core.process.telemetry import get_logger
from core.telling.stream import PROGRESS, StreamRow
from server.mapping import tick_to_proto
from server.mapping.admin import AdminMapper
from server.watch.frames import event_frame, serialized_frame
from server.watch.reader import Reader
from server.watch.signal import Signal
from server.watch.tasks import Tasks

log = get_logger(__name__)

# A watcher that is further behind begins anew.
RING_LINES = 10_000
# With more users than that all watchers begin anew, so that their heads do not fill the memory.
MOST_USERS = 100_000
# A transaction may commit so much later than its time says.
OVERLAP_MS = 5_000
# So many users are read at once, and so many changes of each.
FILL_USERS = 200
FILL_LINES = 100
# Progress that is older is of a run that is gone.
TICK_SECONDS = 120.0
_STATES = {str(state): state for state in State}


class AllLine:
    """An event of any user's job. `event_time` in milliseconds."""

    __slots__ = (
        *("_frames", "_mapper", "_payload"),
        *("event_time", "job_id", "model", "revision", "state", "user_id"),
    )

    def __init__(
        self, mapper: AdminMapper, user_id: str, revision: int, payload: str | bytes
    ) -> None:
        """
        Raises:
            ValueError, KeyError, TypeError: when the payload is not one of an event.
        """
        values = orjson.loads(payload)
        job = values["job"]
        self.user_id = user_id
        self.revision = revision
        self.job_id: str = job["job_id"]
        self.model: str = job["spec"].get("model", "")
        self.state = _STATES[job["state"]]
        self.event_time = int(values["event_time"])
        self._mapper = mapper
        self._payload = payload
        self._frames: dict[bool, bytes] = {}

    def frame(self, prompts: bool) -> bytes:
        """The bytes for a response, made once for all watchers that want the same."""
        found = self._frames.get(prompts)
        if found is None:
            values: dict[str, Any] = orjson.loads(self._payload)
            event = self._mapper.event_to_bytes(self.revision, values, prompts=prompts)
            found = self._frames[prompts] = serialized_frame(event)
        return found


class AllTick(NamedTuple):
    """The latest progress of a job; `number` rises with each tick of any job."""

    attempt: int
    number: int
    told_at: float
    frame: bytes


class Everyone:
    """What administrators watch in this process. Belongs to one event loop.

    `number` is that of the last line, and `resets` rises when something may have been missed.
    """

    def __init__(self, reader: Reader, mapper: AdminMapper, tasks: Tasks) -> None:
        self._reader = reader
        self._mapper = mapper
        self._tasks = tasks
        # The watchers by their signals, who each of them is, and which of them want progress.
        self.watchers: dict[Signal, str] = {}
        self._tickers: set[Signal] = set()
        self.number = 0
        self.resets = 0
        self.ticks: dict[str, AllTick] = {}
        self.tick_number = 0
        self._lines: deque[AllLine] = deque(maxlen=RING_LINES)
        self._heads: dict[str, int] = {}
        # The users who are to be read, each with a revision that the database has.
        self._behind: dict[str, int] = {}
        self._filling = False
        # Everything is told that happened from then on, by the database's clock.
        self._since: int | None = None
        self._compared = 0

    async def begin(self) -> None:
        """Begins, unless another watcher has done that."""
        while self._since is None:
            resets, since = self.resets, await self._reader.now_ms() - OVERLAP_MS
            now, heads = await self._reader.changed_since(since)
            if self._since is None and self.resets == resets:
                self._since, self._compared = since, now
                # Snapshots are of later, so nobody lacks what these users have done so far.
                self._heads = heads

    def add(self, signal: Signal, user_id: str, *, ticks: bool) -> None:
        """Takes notice of a watcher; with `ticks` it wants progress."""
        self.watchers[signal] = user_id
        if ticks:
            self._tickers.add(signal)

    def remove(self, signal: Signal) -> None:
        """Forgets the watcher, and everything if it was the last one."""
        del self.watchers[signal]
        self._tickers.discard(signal)
        if not self.watchers:
            self.reset()

    def reset(self) -> None:
        """Makes every watcher begin anew."""
        self.resets += 1
        self._since = None
        self._lines.clear()
        self._heads.clear()
        self._behind.clear()
        self.ticks.clear()
        for signal in self.watchers:
            signal.make_due()

    def offer(self, rows: Iterable[StreamRow]) -> None:
        """Takes rows of the stream as they come."""
        if self._since is None:
            return
        before, ticked = self.number, False
        for row in rows:
            if row.kind == PROGRESS:
                ticked |= bool(self._tickers) and self._tick(row)
            elif (
                row.user_id in self._behind or row.revision != self._heads.get(row.user_id, -2) + 1
            ):
                self.expect(row.user_id, row.revision)
            else:
                self._append(row.user_id, row.revision, row.kind, row.payload)
        if self.number > before:
            self._wake()
        elif ticked:
            for signal in self._tickers:
                signal.set_for_progress()

    def has(self, user_id: str, revision: int) -> bool:
        """Whether the user's changes have come up to the revision."""
        return self._heads.get(user_id, -1) >= revision

    def expect(self, user_id: str, revision: int) -> None:
        """Takes notice that the database has the revision, and reads the user up to it."""
        if self.has(user_id, revision):
            return
        self._behind[user_id] = max(revision, self._behind.get(user_id, 0))
        if not self._filling:
            self._filling = True
            self._tasks.start(self._fill())

    def lines_after(self, number: int) -> list[AllLine] | None:
        """The lines after the one with the number; None when some of them are gone."""
        missed = self.number - number
        if missed > len(self._lines):
            return None
        return [*itertools.islice(reversed(self._lines), missed)][::-1]

    async def compare(self) -> dict[str, int]:
        """The users who are behind what the database has, each with its revision."""
        if self._since is None:
            return {}
        now, found = await self._reader.changed_since(max(self._compared - OVERLAP_MS, 0))
        self._compared = now
        old = time.monotonic() - TICK_SECONDS
        self.ticks = {job: tick for job, tick in self.ticks.items() if tick.told_at > old}
        if len(self._heads) > MOST_USERS:
            self.reset()
        return {user: at for user, at in found.items() if not self.has(user, at)}

    async def _fill(self) -> None:
        """Reads the users who are behind. At most one runs at a time."""
        try:
            while self._behind and self.watchers and self._since is not None:
                resets, since = self.resets, self._since
                users = [*itertools.islice(self._behind, FILL_USERS)]
                heads = {user: self._heads.get(user) for user in users}
                found = await self._reader.missed_of(heads, since, FILL_LINES)
                if self.resets != resets:
                    continue
                for user, (head, changes) in found.items():
                    self._heads.setdefault(user, head)
                    for one in changes:
                        self._append(user, one.revision, one.kind, one.payload)
                    # Without changes the database has less than was told: it was rewound.
                    if not changes or self._heads[user] >= self._behind[user]:
                        del self._behind[user]
                self._wake()
        except RushesError as error:
            # The next comparison finds what is left.
            self._behind.clear()
            log.warning("fill_of_all_failed", error=type(error).__name__)
        finally:
            self._filling = False

    def _append(self, user_id: str, revision: int, kind: str, payload: str | bytes) -> None:
        """Takes the next change of a user. One that is no job's event only moves the head."""
        if revision <= self._heads[user_id]:
            return
        self._heads[user_id] = revision
        if kind != JOB_KIND:
            return
        try:
            line = AllLine(self._mapper, user_id, revision, payload)
        except (ValueError, KeyError, TypeError) as error:
            # Another version wrote it.
            log.warning("event_unreadable", user_id=user_id, error=type(error).__name__)
            return
        self._lines.append(line)
        self.number += 1
        if line.state.terminal:
            self.ticks.pop(line.job_id, None)

    def _tick(self, row: StreamRow) -> bool:
        """Takes progress; False when it is of an older attempt, or can't be read."""
        known = self.ticks.get(row.job_id)
        if known is not None and known.attempt > row.attempt:
            return False
        try:
            progress = orjson.loads(row.payload)
            now_ms = time.time_ns() // 1_000_000
            frame = event_frame(tick_to_proto(row.job_id, row.attempt, progress, now_ms))
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        self.tick_number += 1
        told_at = time.monotonic()
        self.ticks[row.job_id] = AllTick(row.attempt, self.tick_number, told_at, frame)
        return True

    def _wake(self) -> None:
        for signal in self.watchers:
            signal.set()
