"""The housekeeper: empties the bin and forgets what is too old, one worker process at a time; and
stores the paid results that this machine had to keep.
"""

import threading
import time

import structlog

from core.blobs import Blobs
from core.errors import RushesError
from core.store import Database, retention, workers
from workers.providers.kept import KeptResults
from workers.upkeep.purge import empty_bin, erase_orphans

log = structlog.get_logger()

ROUND_SECONDS = 60.0
# It lists the whole blob store.
ORPHAN_ROUND_SECONDS = 3600.0
DUTY = "housekeeping"
DAY_MS = 24 * 3600 * 1000


class Housekeeper:
    """A thread of its own: a large store must not keep the rescuer waiting."""

    def __init__(
        self, db: Database, blobs: Blobs, kept: KeptResults, worker_id: str, retention_days: int
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._kept = kept
        self._worker_id = worker_id
        self._retention_days = retention_days
        self._orphans_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Asks the thread to end."""
        self._stopped.set()

    def close(self) -> None:
        """Ends the thread after what it is at; a long round is simply left."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._stopped.wait(ROUND_SECONDS):
            for work in (self._kept.upload_spooled, self.keep):
                try:
                    work()
                except RushesError as error:
                    log.warning("housekeeping_failed", error=type(error).__name__)

    def keep(self) -> bool:
        """One round, if this worker leads; whether it did.

        Raises:
            DependencyUnavailable: when the database or the blob store is away.
        """
        lease_ms = int(2 * ROUND_SECONDS * 1000)
        if not workers.lead(self._db, DUTY, self._worker_id, lease_ms):
            return False
        empty_bin(self._db, self._blobs)
        retention.forget(self._db, self._retention_days * DAY_MS)
        now = time.monotonic()
        if now - self._orphans_at >= ORPHAN_ROUND_SECONDS:
            self._orphans_at = now
            erase_orphans(self._db, self._blobs, self._db.now_ms())
        return True
