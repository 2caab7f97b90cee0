"""How long a hurt worker's jobs wait until they run again, and whose else: by the database."""

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field

from core.errors import DependencyUnavailable
from core.store.engine.database import connect
from core.store.engine.sql import Statement

LOOK_SECONDS = 0.05
_HELD = Statement(
    "SELECT job_id, fence, attempt, worker_id FROM job"
    " WHERE state = 'RUNNING' AND lease_expire_time > {now} AND worker_id IS NOT NULL"
)
_NOW = Statement(
    "SELECT job_id, fence, lease_expire_time IS NULL FROM job"
    " WHERE end_time IS NULL AND job_id = ANY(:job_ids)"
)


@dataclass(frozen=True)
class _Run:
    fence: int
    attempt: int
    pid: int


@dataclass(frozen=True)
class _Orphan:
    fence: int
    since: float


@dataclass
class Recovery:
    """Looks all the time who runs what; `hurt` says when a worker was killed or frozen.

    hits: how many kills ended a run. touched: jobs that lost a run without their worker being hurt.
    """

    database_url: str
    seconds: list[float] = field(default_factory=list)
    hits: int = 0
    touched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._held: dict[str, _Run] = {}
        self._last: dict[str, _Run] = {}
        self._hurt: set[int] = set()
        self._orphans: dict[str, _Orphan] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)
        self._thread.start()

    def hurt(self, pid: int, kind: str) -> None:
        """That process is killed or frozen now; it may have come to more since the last look."""
        now = time.monotonic()
        with self._lock:
            self._hurt.add(pid)
            lost = {job_id: run for job_id, run in self._held.items() if run.pid == pid}
            for job_id, run in lost.items():
                self._orphans.setdefault(job_id, _Orphan(run.fence, now))
            self.hits += kind == "kill" and bool(lost)

    def stop(self) -> None:
        """Looks no more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        with closing(connect(self.database_url, 1)) as db:
            while not self._stopped.wait(LOOK_SECONDS):
                try:
                    held = {row[0]: _run_of(*row[1:]) for row in db.rows(_HELD)}
                    orphans = list(self._orphans)
                    rows = db.rows(_NOW, job_ids=orphans) if orphans else []
                except DependencyUnavailable:
                    continue
                with self._lock:
                    self._note(held)
                    self._settle(orphans, {row[0]: (int(row[1]), bool(row[2])) for row in rows})

    def _note(self, held: dict[str, _Run]) -> None:
        self._held = held
        for job_id, run in held.items():
            last = self._last.get(job_id, run)
            if run.attempt > last.attempt and last.pid not in self._hurt:
                self.touched.append(job_id)
        self._last |= held

    def _settle(self, orphans: list[str], found: dict[str, tuple[int, bool]]) -> None:
        now = time.monotonic()
        for job_id in orphans:
            orphan, (fence, is_free) = self._orphans[job_id], found.get(job_id, (0, True))
            if fence > orphan.fence:
                self.seconds.append(now - orphan.since)
                del self._orphans[job_id]
            elif is_free:
                # It had just ended, or was handed back: nobody waited.
                del self._orphans[job_id]


def _run_of(fence: int, attempt: int, worker_id: str) -> _Run:
    return _Run(int(fence), int(attempt), int(worker_id.split("-")[-2]))
