"""Leases: one thread per process renews them all, and notices which jobs were cancelled.

A lease that can't be renewed in time is lost. Its run stops by itself, because another run of the
job may begin.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import structlog

from core.errors import DependencyUnavailable, StorageFull
from core.events import ProgressTick
from core.jobs import Progress, Stage
from core.store import Database, claims
from core.store.claims import Claim
from core.telling.changes import Teller
from workers.loop import Loop, LoopPart
from workers.polls.paces import Paces, age_ms
from workers.providers import Monitor

log = structlog.get_logger()

LOOK_SECONDS = 0.5
TICK_SECONDS = 0.1
# How far a run is is also written before its heartbeat, so that readers see it: at most this often,
# and when it has moved by this much.
KEEP_SECONDS = 1.0
KEEP_PERCENT = 5


class Lease(Monitor):
    """The right to run one job, and how far its run is. Used by the run's thread and the keeper.

    `remaining` estimates how many milliseconds the run still takes, if that is known.
    """

    def __init__(
        self,
        claim: Claim,
        teller: Teller,
        seconds: float,
        remaining: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.run = claim.run
        self.seconds = seconds
        self.lost = False
        self.stop_asked = False
        self.handing_back = False
        self._user_id = claim.job.user_id
        self._attempt = claim.job.attempt
        self._teller = teller
        self._remaining = remaining
        self._outputs = claim.job.spec.output_count
        self._output = len(claim.job.outputs)
        self.progress = self.kept = claim.job.progress
        # The event of the start has just been told, so the first tick waits like any other.
        self.renewed_at = self._told_at = time.monotonic()

    def stopping(self) -> bool:
        """Whether the run shall stop: cancelled, lost, or to be handed back."""
        return self.lost or self.stop_asked or self.handing_back

    def begin_output(self, index: int) -> None:
        """Says which output `report` speaks of."""
        self._output = index

    def report(self, stage: Stage, share: float, message: str) -> None:
        """Keeps how far the run is and tells it, at most ten times a second."""
        own = min(int(100 * (self._output + share) / self._outputs), 99)
        percent = max(own, self.progress.percent)
        estimated = self.progress.estimated and own < percent
        moved = percent - self.progress.percent >= 1 or stage is not self.progress.stage
        self.progress = Progress(stage=stage, percent=percent, estimated=estimated, message=message)
        now = time.monotonic()
        if now - self._told_at >= TICK_SECONDS and (moved or now - self._told_at >= 1):
            self._told_at = now
            run = self.run
            tick = ProgressTick(
                user_id=run.user_id,
                job_id=run.job_id,
                attempt=self._attempt,
                progress=replace(self.progress, remaining_ms=self._remaining()),
            )
            self._teller.tell_progress(tick)

    @property
    def moved(self) -> bool:
        """Whether the run is clearly further than the job's row says."""
        ahead = self.progress.percent - self.kept.percent
        return ahead >= KEEP_PERCENT or self.progress.stage is not self.kept.stage


class LeaseKeeper(LoopPart):
    """Renews the leases of this process every `heartbeat_seconds`."""

    def __init__(
        self,
        db: Database,
        teller: Teller,
        lease_seconds: float,
        heartbeat_seconds: float,
        paces: Paces | None = None,
    ) -> None:
        self._db = db
        self._teller = teller
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._paces = paces
        self.closing = False
        self._leases: set[Lease] = set()
        self._lock = threading.Lock()
        pause_seconds = min(LOOK_SECONDS, heartbeat_seconds / 4)
        self._loop = Loop("lease-keeper", self._look, pause_seconds, rests_first=True)

    @property
    def lease_ms(self) -> int:
        """How long a lease holds."""
        return int(self._lease_seconds * 1000)

    @property
    def held_count(self) -> int:
        """How many runs this process has now."""
        return len(self._held())

    def stop(self) -> None:
        """Asks every run of this process to hand its job back, also those that are just claimed.

        The thread goes on, as the runs need their leases until they have ended.
        """
        self.closing = True
        for lease in self._held():
            lease.handing_back = True

    @contextlib.contextmanager
    def hold(self, claim: Claim) -> Iterator[Lease]:
        """Renews the claim's lease until the block ends."""
        remaining = self._remaining(claim)
        lease = Lease(claim, self._teller, self._lease_seconds, remaining)
        with self._lock:
            self._leases.add(lease)
        lease.handing_back = self.closing
        try:
            yield lease
        finally:
            with self._lock:
                self._leases.discard(lease)

    def _remaining(self, claim: Claim) -> Callable[[], int | None]:
        """A function that estimates how many milliseconds the run still takes. It asks
        the database for the time once, when the run tells its first progress."""
        paces, held_at = self._paces, time.monotonic()
        begun: list[float] = []

        def remaining() -> int | None:
            if paces is None:
                return None
            try:
                if not begun:
                    begun.append(self._begun(claim, held_at))
            except DependencyUnavailable:
                return None
            age = int((time.monotonic() - begun[0]) * 1000)
            return paces.remaining_ms(claim.job.spec.model, age)

        return remaining

    def _begun(self, claim: Claim, held_at: float) -> float:
        """When the job's run began, by the monotonic clock."""
        if claim.event is not None or claim.job.run_since is None:
            return held_at
        return time.monotonic() - age_ms(claim.job, self._db.now_ms()) / 1000

    def _held(self) -> list[Lease]:
        with self._lock:
            return list(self._leases)

    def _look(self) -> None:
        held = self._held()
        if held:
            self._notice_stops(held)
            for lease in held:
                self._renew(lease)

    def _notice_stops(self, held: list[Lease]) -> None:
        try:
            asked = claims.stop_asked(self._db, [lease.run.job_id for lease in held])
        except DependencyUnavailable:
            return
        for lease in held:
            if lease.run.job_id in asked:
                lease.stop_asked = True

    def _renew(self, lease: Lease) -> None:
        now, progress = time.monotonic(), lease.progress
        if lease.lost or not self._is_due(lease, now - lease.renewed_at):
            return
        try:
            if claims.renew(self._db, lease.run, self.lease_ms, progress):
                lease.renewed_at, lease.kept = now, progress
                return
            # Another run owns the job, or this one has just ended it.
            lease.lost = True
        except (DependencyUnavailable, StorageFull):
            if now - lease.renewed_at >= self._lease_seconds:
                lease.lost = True
                log.warning("lease_lost", job_id=lease.run.job_id, user_id=lease.run.user_id)

    def _is_due(self, lease: Lease, waited_seconds: float) -> bool:
        if waited_seconds >= self._heartbeat_seconds:
            return True
        return waited_seconds >= KEEP_SECONDS and lease.moved
