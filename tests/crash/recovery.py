"""How long a killed worker's jobs wait until they run again, seen in the database."""

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field

from core.errors import DependencyUnavailable
from core.store.database import connect
from core.store.sql import Statement

LOOK_SECONDS = 0.05
_HELD = Statement(
    "SELECT job_id, fence, worker_id FROM job"
    " WHERE state = 'RUNNING' AND lease_expire_time > {now} AND worker_id IS NOT NULL"
)
_NOW = Statement("SELECT job_id, fence FROM job WHERE end_time IS NULL AND job_id = ANY(:job_ids)")


@dataclass
class _Orphan:
    fence: int
    since: float


@dataclass
class Recovery:
    """Looks all the time who runs what; `died` says when a worker was killed."""

    database_url: str
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._held: dict[str, tuple[int, str]] = {}
        self._orphans: dict[str, _Orphan] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)
        self._thread.start()

    def died(self, pid: int) -> None:
        """The worker with that pid was killed just now; it may have come to more since the look."""
        now = time.monotonic()
        with self._lock:
            for job_id, (fence, worker_id) in self._held.items():
                if worker_id.split("-")[-2] == str(pid):
                    self._orphans.setdefault(job_id, _Orphan(fence, now))

    def stop(self) -> None:
        """Looks no more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        with closing(connect(self.database_url, 1)) as db:
            while not self._stopped.wait(LOOK_SECONDS):
                try:
                    held = {row[0]: (int(row[1]), row[2]) for row in db.rows(_HELD)}
                    orphans = list(self._orphans)
                    fences = dict(db.rows(_NOW, job_ids=orphans)) if orphans else {}
                except DependencyUnavailable:
                    continue
                with self._lock:
                    self._held = held
                    self._settle(orphans, fences)

    def _settle(self, orphans: list[str], fences: dict[str, int]) -> None:
        now = time.monotonic()
        for job_id in orphans:
            orphan = self._orphans[job_id]
            if job_id not in fences:
                # It had just ended, or was cancelled: nobody waited.
                del self._orphans[job_id]
            elif fences[job_id] > orphan.fence:
                self.seconds.append(now - orphan.since)
                del self._orphans[job_id]
