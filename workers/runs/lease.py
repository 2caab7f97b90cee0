"""Leases: one thread per process renews them all and notices what was cancelled.

A lease that can't be renewed in time is lost: the run stops by itself, because another may begin.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

import structlog

from core.errors import DependencyUnavailable, StorageFull
from core.events import ProgressTick
from core.jobs import Progress, Stage
from core.store import Database, claims
from core.store.claims import Claim
from core.telling.changes import Teller
from workers.providers import Monitor

log = structlog.get_logger()

LOOK_SECONDS = 0.5
TICK_SECONDS = 0.1


class Lease(Monitor):
    """The right to run one job, and how far its run is. Used by the run's thread and the keeper."""

    def __init__(self, claim: Claim, teller: Teller, seconds: float) -> None:
        self.run = claim.run
        self.seconds = seconds
        self.lost = False
        self.stop_asked = False
        self.handing_back = False
        self._user_id = claim.job.user_id
        self._attempt = claim.job.attempt
        self._teller = teller
        self._outputs = claim.job.spec.output_count
        self._output = len(claim.job.outputs)
        self.progress = claim.job.progress
        # The start is told as an event: the first tick comes after it like one after another.
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
                progress=self.progress,
            )
            self._teller.tell_progress(tick)


class LeaseKeeper:
    """Renews the leases of this process every `heartbeat_seconds`."""

    def __init__(
        self, db: Database, teller: Teller, lease_seconds: float, heartbeat_seconds: float
    ) -> None:
        self._db = db
        self._teller = teller
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self.closing = False
        self._leases: set[Lease] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    @property
    def lease_ms(self) -> int:
        """How long a lease holds."""
        return int(self._lease_seconds * 1000)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    @contextlib.contextmanager
    def hold(self, claim: Claim) -> Iterator[Lease]:
        """Renews the claim's lease until the block ends."""
        lease = Lease(claim, self._teller, self._lease_seconds)
        with self._lock:
            self._leases.add(lease)
        lease.handing_back = self.closing
        try:
            yield lease
        finally:
            with self._lock:
                self._leases.discard(lease)

    def hand_all_back(self) -> None:
        """Asks every run of this process to stop, also those that are just claimed."""
        self.closing = True
        for lease in self._held():
            lease.handing_back = True

    def _held(self) -> list[Lease]:
        with self._lock:
            return list(self._leases)

    def _run(self) -> None:
        wait = min(LOOK_SECONDS, self._heartbeat_seconds / 4)
        while not self._stopped.wait(wait):
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
        now = time.monotonic()
        if lease.lost or now - lease.renewed_at < self._heartbeat_seconds:
            return
        try:
            if claims.renew(self._db, lease.run, self.lease_ms, lease.progress):
                lease.renewed_at = now
                return
            # Another run has it, or this one has just ended it.
            lease.lost = True
        except (DependencyUnavailable, StorageFull):
            if now - lease.renewed_at >= self._lease_seconds:
                lease.lost = True
                log.warning("lease_lost", job_id=lease.run.job_id, user_id=lease.run.user_id)
