"""Moves the progress bars between two polls, by estimates.

It follows the operations that this process has just submitted or polled, until their next poll.
The number of ticks a round is bounded, so with very many operations each bar moves less often.
"""

import threading
import time
from dataclasses import dataclass, replace

from core import progress as clock
from core.events import ProgressTick
from core.jobs import Job, Progress, Stage
from core.telling.changes import Teller
from workers.polls.paces import Paces

TICK_SECONDS = 2.0
MOST_TICKS = 200
MOST_FOLLOWED = 2000


@dataclass(frozen=True, slots=True)
class _Followed:
    """An operation between two polls; `begun` and `until` are seconds of the monotonic clock."""

    user_id: str
    job_id: str
    attempt: int
    model: str
    begun: float
    until: float
    percent: int


class Ticker:
    """Tells estimated progress. The poller and the threads that submit call it."""

    def __init__(self, teller: Teller, paces: Paces) -> None:
        self._teller = teller
        self._paces = paces
        self._followed: dict[str, _Followed] = {}
        self._lock = threading.Lock()
        self._told_at = float("-inf")

    def follow(self, job: Job, age_ms: int, pause_ms: int, percent: int) -> None:
        """Moves the job's bar, which is at `percent` now, for `pause_ms`."""
        now = time.monotonic()
        if pause_ms <= TICK_SECONDS * 1000:
            return
        with self._lock:
            if len(self._followed) < MOST_FOLLOWED:
                self._followed[job.job_id] = _Followed(
                    user_id=job.user_id,
                    job_id=job.job_id,
                    attempt=job.attempt,
                    model=job.spec.model,
                    begun=now - age_ms / 1000,
                    until=now + pause_ms / 1000,
                    percent=percent,
                )

    def forget(self, job_id: str) -> int:
        """Stops moving the job's bar; the percent that was told of it last, or 0."""
        with self._lock:
            found = self._followed.pop(job_id, None)
        return found.percent if found else 0

    def tick(self) -> None:
        """Tells the bars that have moved, if TICK_SECONDS have passed since the last time.

        Raises:
            DependencyUnavailable: when the past runs can't be read.
        """
        now = time.monotonic()
        if now - self._told_at < TICK_SECONDS:
            return
        self._told_at = now
        for followed in self._next(now):
            age_ms = int((now - followed.begun) * 1000)
            percent = clock.estimated_percent(self._paces.of(followed.model).median_ms, age_ms)
            if percent > followed.percent and self._keep(followed, percent):
                self._tell(followed, percent, self._paces.remaining_ms(followed.model, age_ms))

    def _next(self, now: float) -> list[_Followed]:
        """The operations whose turn it is. Forgets those whose next poll is due."""
        with self._lock:
            for job_id in [f.job_id for f in self._followed.values() if f.until <= now]:
                del self._followed[job_id]
            first = list(self._followed)[:MOST_TICKS]
            found = [self._followed.pop(job_id) for job_id in first]
            # To the end of the line.
            self._followed.update((f.job_id, f) for f in found)
            return found

    def _keep(self, followed: _Followed, percent: int) -> bool:
        with self._lock:
            same = self._followed.get(followed.job_id) is followed
            if same:
                self._followed[followed.job_id] = replace(followed, percent=percent)
            return same

    def _tell(self, followed: _Followed, percent: int, remaining_ms: int | None) -> None:
        progress = Progress(
            stage=Stage.GENERATING, percent=percent, estimated=True, remaining_ms=remaining_ms
        )
        tick = ProgressTick(
            user_id=followed.user_id,
            job_id=followed.job_id,
            attempt=followed.attempt,
            progress=progress,
        )
        self._teller.tell_progress(tick)
