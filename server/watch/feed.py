"""One watched user's events in this process: a head, a short ring in order, the latest progress."""

import asyncio
import heapq
import json
import time
from collections import deque
from dataclasses import dataclass, replace

from core.events import Event, ProgressTick, QueueInfo, UserChange, event_from_json, job_event
from core.jobs import Job, Progress, State, progress_from_json
from core.telling.stream import StreamRow
from server.mapping import Mapper, tick_to_proto
from server.watch.frames import event_frame

RING_EVENTS = 256
# Every start moves all places behind it: of a long queue the far end is not told.
MAX_PLACES = 100
# Frames hold signed addresses; an older one is made again, so that they still last.
FRAME_SECONDS = 600.0


class Line:
    """A durable change and its frame; `event` is None for a change of a kind that is not told."""

    __slots__ = ("_frame", "_made_at", "_mapper", "event", "revision")

    def __init__(self, revision: int, event: Event | None, mapper: Mapper) -> None:
        self.revision = revision
        self.event = event
        self._mapper = mapper
        self._frame = b""
        self._made_at = float("-inf")

    @property
    def frame(self) -> bytes:
        """The event's bytes, made at most once in FRAME_SECONDS."""
        assert self.event is not None
        now = time.monotonic()
        if now - self._made_at > FRAME_SECONDS:
            self._frame = event_frame(self._mapper.event_to_proto(self.event))
            self._made_at = now
        return self._frame


class Signal:
    """How a feed wakes one watcher: always for events, for progress only if it says so."""

    __slots__ = ("event", "ticks")

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.ticks = False


@dataclass(frozen=True, slots=True)
class Tick:
    """The latest progress of a job; `number` rises with each one."""

    job_id: str
    attempt: int
    percent: int
    number: int
    frame: bytes


class Feed:
    """Invariant: the ring holds the events up to `head` without a gap; before, `head` is None."""

    def __init__(self, user_id: str, mapper: Mapper) -> None:
        self.user_id = user_id
        self.head: int | None = None
        self.seen = 0
        self.filling = False
        self.watchers: set[Signal] = set()
        self.ticks: dict[str, Tick] = {}
        self._ring: deque[Line] = deque(maxlen=RING_EVENTS)
        # Jobs that have not ended at the head; progress of others is dropped.
        self._live: dict[str, State] = {}
        self._places: dict[str, QueueInfo] = {}
        self._number = 0
        self._mapper = mapper

    @property
    def behind(self) -> bool:
        """Whether events exist that the ring does not have yet."""
        return self.head is not None and self.seen > self.head

    def lines_after(self, revision: int) -> list[Line] | None:
        """The lines above the revision, or None when they must be read from the database."""
        assert self.head is not None
        if revision >= self.head:
            return []
        if self._ring and self._ring[0].revision <= revision + 1:
            return [line for line in self._ring if line.revision > revision]
        return None

    def offer(self, row: StreamRow) -> None:
        """Takes a row of the stream: the next one, one seen before, or a sign of missing ones."""
        try:
            if row.kind == "progress":
                self._offer_progress(row)
            elif self.head is not None and row.revision == self.head + 1 and not self.filling:
                self.append([Line(row.revision, _event_of(row), self._mapper)])
            else:
                self.seen = max(self.seen, row.revision)
        except (ValueError, KeyError, TypeError):
            # Another version wrote it, or something else: the database knows better.
            self.seen = max(self.seen, row.revision)

    def append(self, lines: list[Line]) -> None:
        """Takes lines in order; those at or below the head are dropped."""
        for line in lines:
            assert self.head is not None
            if line.revision <= self.head:
                continue
            assert line.revision == self.head + 1, (line.revision, self.head)
            self.head = line.revision
            self.seen = max(self.seen, self.head)
            self._ring.append(line)
            if line.event is not None:
                self._note(line.event.job)
        self.wake()

    def begin(self, head: int, live: dict[str, State]) -> None:
        """Starts the feed at the revision, with the jobs that have not ended there."""
        self.head = head
        self._live = live

    @property
    def waiting(self) -> list[str]:
        """The jobs that wait in a queue."""
        return [job_id for job_id, state in self._live.items() if state is State.QUEUED]

    def offer_places(self, places: dict[str, QueueInfo]) -> None:
        """Takes the places of waiting jobs; of the next to start, those that changed are told."""
        mine = [(places[job_id], job_id) for job_id in self.waiting if job_id in places]
        for place, job_id in heapq.nsmallest(MAX_PLACES, mine, key=lambda m: m[0].position):
            if place != self._places.get(job_id):
                self._places[job_id] = place
                tick = ProgressTick(
                    user_id=self.user_id, job_id=job_id, attempt=0, progress=Progress()
                )
                self._tick(tick, place)

    def line(self, change: UserChange) -> Line:
        """The line of a change that was read from the database."""
        return Line(change.revision, job_event(change), self._mapper)

    def _offer_progress(self, row: StreamRow) -> None:
        known = self.ticks.get(row.job_id)
        if row.job_id not in self._live or (known is not None and known.attempt > row.attempt):
            return
        progress = progress_from_json(json.loads(row.payload))
        if known is not None and known.attempt == row.attempt and known.percent > progress.percent:
            # Two workers may estimate one operation, each by what it has measured.
            progress = replace(progress, percent=known.percent)
        tick = ProgressTick(
            user_id=row.user_id, job_id=row.job_id, attempt=row.attempt, progress=progress
        )
        self._tick(tick)

    def _tick(self, tick: ProgressTick, place: QueueInfo | None = None) -> None:
        self._number += 1
        now_ms = time.time_ns() // 1_000_000
        frame = event_frame(tick_to_proto(tick, now_ms, place))
        percent = tick.progress.percent
        self.ticks[tick.job_id] = Tick(tick.job_id, tick.attempt, percent, self._number, frame)
        for signal in self.watchers:
            if signal.ticks:
                signal.event.set()

    def _note(self, job: Job) -> None:
        if job.state.terminal:
            self._live.pop(job.job_id, None)
            self.ticks.pop(job.job_id, None)
        else:
            self._live[job.job_id] = job.state
        if self._places.pop(job.job_id, None) is not None:
            # It waits no more: its place is old news.
            self.ticks.pop(job.job_id, None)

    def wake(self) -> None:
        """Wakes every watcher."""
        for signal in self.watchers:
            signal.event.set()


def _event_of(row: StreamRow) -> Event | None:
    """The job's event in a row of the stream; None when the row is of another kind."""
    if row.kind != "event":
        return None
    return event_from_json(row.revision, json.loads(row.payload))
