"""The latest progress and the latest places in queues of one user's unfinished jobs."""

import heapq
import time
from typing import Any, NamedTuple

import orjson

from core.events import QueueInfo
from core.jobs import Progress, State, progress_to_json
from core.telling.stream import StreamRow
from server.mapping import tick_to_proto
from server.watch.frames import event_frame

# Every start of a job moves all places behind it. The far end of a long queue is not told.
MAX_PLACES = 100


class Tick(NamedTuple):
    """The latest progress of a job; `number` rises with each tick of the user."""

    job_id: str
    attempt: int
    percent: int
    number: int
    frame: bytes


class LatestProgress:
    """The latest tick of each unfinished job of one user. Progress is no state: it may be lost."""

    __slots__ = ("_live", "_places", "number", "ticks", "waiting")

    def __init__(self) -> None:
        self.ticks: dict[str, Tick] = {}
        # The jobs that have not ended at the feed's head. Progress of other jobs is dropped.
        self._live: dict[str, State] = {}
        # The ids of those that wait in a queue, as keys: an empty dict is small.
        self.waiting: dict[str, None] = {}
        self._places: dict[str, QueueInfo] = {}
        # Of the latest tick.
        self.number = 0

    def begin(self, live: dict[str, State]) -> None:
        """Takes the states of the jobs that have not ended at the feed's first head."""
        self._live = live
        waiting = (job_id for job_id, state in live.items() if state is State.QUEUED)
        self.waiting = dict.fromkeys(waiting)

    def note(self, job_id: str, state: State) -> None:
        """Takes the state of a job after its latest event."""
        if state.terminal:
            self._live.pop(job_id, None)
            self.ticks.pop(job_id, None)
        else:
            self._live[job_id] = state
        if state is State.QUEUED:
            self.waiting[job_id] = None
        else:
            self.waiting.pop(job_id, None)
        if self._places.pop(job_id, None) is not None:
            # Its place was of before this event.
            self.ticks.pop(job_id, None)

    def offer(self, row: StreamRow) -> bool:
        """Takes a tick of the stream; False when it is of an ended job or of an older attempt.

        Raises:
            ValueError, KeyError, TypeError: when the payload is no progress.
        """
        known = self.ticks.get(row.job_id)
        if row.job_id not in self._live or (known is not None and known.attempt > row.attempt):
            return False
        progress = orjson.loads(row.payload)
        if not isinstance(progress, dict):
            raise TypeError("progress is an object")
        if (
            known is not None
            and known.attempt == row.attempt
            and known.percent > progress["percent"]
        ):
            # Two workers may estimate one operation, each by what it has measured.
            progress["percent"] = known.percent
        self._keep(row.job_id, row.attempt, progress)
        return True

    def offer_places(self, places: dict[str, QueueInfo]) -> bool:
        """Takes the places of the next MAX_PLACES waiting jobs; False when none has changed."""
        mine = [(places[job_id], job_id) for job_id in self.waiting if job_id in places]
        changed = [
            (place, job_id)
            for place, job_id in heapq.nsmallest(MAX_PLACES, mine, key=lambda m: m[0].position)
            if place != self._places.get(job_id)
        ]
        for place, job_id in changed:
            self._places[job_id] = place
            self._keep(job_id, 0, _WAITING, place)
        return bool(changed)

    def _keep(
        self, job_id: str, attempt: int, progress: dict[str, Any], place: QueueInfo | None = None
    ) -> None:
        self.number += 1
        now_ms = time.time_ns() // 1_000_000
        frame = event_frame(tick_to_proto(job_id, attempt, progress, now_ms, place))
        self.ticks[job_id] = Tick(job_id, attempt, progress["percent"], self.number, frame)


# The progress of a job that waits, as `progress_to_json` writes it.
_WAITING: dict[str, Any] = progress_to_json(Progress())
