"""The latest progress and the latest places in queues of one user's unfinished jobs."""

import heapq
import json
import time
from dataclasses import dataclass, replace

from core.events import ProgressTick, QueueInfo
from core.jobs import Job, Progress, State, progress_from_json
from core.telling.stream import StreamRow
from server.mapping import tick_to_proto
from server.watch.frames import event_frame

# Every start of a job moves all places behind it. The far end of a long queue is not told.
MAX_PLACES = 100


@dataclass(frozen=True, slots=True)
class Tick:
    """The latest progress of a job; `number` rises with each tick of the user."""

    job_id: str
    attempt: int
    percent: int
    number: int
    frame: bytes


class LatestProgress:
    """The latest tick of each unfinished job of one user. Progress is no state: it may be lost."""

    def __init__(self, user_id: str) -> None:
        self.ticks: dict[str, Tick] = {}
        self._user_id = user_id
        # The jobs that have not ended at the feed's head. Progress of other jobs is dropped.
        self._live: dict[str, State] = {}
        self._places: dict[str, QueueInfo] = {}
        self._number = 0

    def begin(self, live: dict[str, State]) -> None:
        """Takes the states of the jobs that have not ended at the feed's first head."""
        self._live = live

    def note(self, job: Job) -> None:
        """Takes a job as it is after its latest event."""
        if job.state.terminal:
            self._live.pop(job.job_id, None)
            self.ticks.pop(job.job_id, None)
        else:
            self._live[job.job_id] = job.state
        if self._places.pop(job.job_id, None) is not None:
            # Its place was of before this event.
            self.ticks.pop(job.job_id, None)

    @property
    def waiting(self) -> list[str]:
        """The ids of the jobs that wait in a queue."""
        return [job_id for job_id, state in self._live.items() if state is State.QUEUED]

    def offer(self, row: StreamRow) -> bool:
        """Takes a tick of the stream; False when it is of an ended job or of an older attempt.

        Raises:
            ValueError, KeyError, TypeError: when the payload is no progress.
        """
        known = self.ticks.get(row.job_id)
        if row.job_id not in self._live or (known is not None and known.attempt > row.attempt):
            return False
        progress = progress_from_json(json.loads(row.payload))
        if known is not None and known.attempt == row.attempt and known.percent > progress.percent:
            # Two workers may estimate one operation, each by what it has measured.
            progress = replace(progress, percent=known.percent)
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
            self._keep(job_id, 0, Progress(), place)
        return bool(changed)

    def _keep(
        self, job_id: str, attempt: int, progress: Progress, place: QueueInfo | None = None
    ) -> None:
        self._number += 1
        tick = ProgressTick(
            user_id=self._user_id, job_id=job_id, attempt=attempt, progress=progress
        )
        frame = event_frame(tick_to_proto(tick, time.time_ns() // 1_000_000, place))
        self.ticks[job_id] = Tick(job_id, attempt, progress.percent, self._number, frame)
