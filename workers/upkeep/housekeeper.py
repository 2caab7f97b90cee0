"""The housekeeper: empties the bin, drops uploads that were not finished in time, forgets what is
too old, and counts anew what was kept wrong.

It does so in one worker process at a time.

In every worker process it also stores the paid results that wait in this machine's spool.
"""

import contextlib
import time

import structlog

from core.blobs import Blobs
from core.errors import RushesError
from core.store import Database, flows, retention, workers
from core.store.retention import USUALLY_KEPT, Kept
from workers.loop import Loop, LoopPart
from workers.providers.kept import KeptResults
from workers.upkeep.purge import drop_uploads, empty_bin, erase_orphans
from workers.upkeep.rest import Rest, RoundOver

log = structlog.get_logger()

ROUND_SECONDS = 60.0
# What a round takes for the bin, and for what is too old. The next round does the rest.
MOST_SECONDS = 20.0
# Looking for orphans lists the whole blob store.
ORPHAN_ROUND_SECONDS = 3600.0
DUTY = "housekeeping"
DAY_MS = 24 * 3600 * 1000


class Housekeeper(LoopPart):
    """Cleans up in a thread of its own, so that a large store does not keep the rescuer waiting."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        kept: KeptResults,
        worker_id: str,
        retention_days: int,
        user_concurrency: int,
        round_seconds: float = ROUND_SECONDS,
        kept_beside: Kept = USUALLY_KEPT,
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._kept = kept
        self._worker_id = worker_id
        self._retention_days = retention_days
        self._user_concurrency = user_concurrency
        self._kept_beside = kept_beside
        self._orphans_at = time.monotonic()
        # A round that takes long is left unfinished at the end.
        self._loop = Loop(
            "housekeeper", self._round, round_seconds, rests_first=True, patience_seconds=1.0
        )

    def _round(self) -> None:
        for work in (self._kept.upload_spooled, self.keep):
            try:
                work()
            except RushesError as error:
                log.warning("housekeeping_failed", error=type(error).__name__)

    def keep(self) -> bool:
        """Cleans up once if this worker leads; whether it did.

        Raises:
            DependencyUnavailable: when the database or the blob store is away.
        """
        lease_ms = int(2 * ROUND_SECONDS * 1000)
        if not workers.lead(self._db, DUTY, self._worker_id, lease_ms):
            return False
        if mended := flows.mend(self._db, self._user_concurrency):
            log.warning("flows_mended", users=mended)
        keep_ms = self._retention_days * DAY_MS
        with contextlib.suppress(RoundOver):
            empty_bin(self._db, self._blobs, Rest(self._loop, MOST_SECONDS))
        with contextlib.suppress(RoundOver):
            drop_uploads(self._db, self._blobs, Rest(self._loop, MOST_SECONDS))
        with contextlib.suppress(RoundOver):
            rest = Rest(self._loop, MOST_SECONDS)
            retention.forget(self._db, keep_ms, rest, self._kept_beside)
        now = time.monotonic()
        if now - self._orphans_at >= ORPHAN_ROUND_SECONDS:
            self._orphans_at = now
            # It has no limit: it begins with the first blob each time.
            with contextlib.suppress(RoundOver):
                erase_orphans(self._db, self._blobs, self._db.now_ms(), Rest(self._loop))
        return True
