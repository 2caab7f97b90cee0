"""The statistics: one worker process at a time counts the installation for the metrics."""

import structlog

from core.errors import RushesError
from core.jobs import UNFINISHED
from core.kinds import queues
from core.process import metrics
from core.store import Database, overview, workers
from core.store.overview import Overview
from workers.loop import Loop, LoopPart

log = structlog.get_logger()

ROUND_SECONDS = 5.0
DUTY = "statistics"
GAUGES = (
    metrics.UNFINISHED_JOBS,
    metrics.QUEUE_AGE,
    metrics.LIVE_WORKERS,
    metrics.SPEND,
    metrics.OPEN_CIRCUITS,
)


class Statistics(LoopPart):
    """Counts in a thread of its own, so that neither a scrape nor a rescue waits for the counting.

    A worker that does not lead, or can't reach the database, shows none of these gauges. So nobody
    sees old figures.
    """

    vital = False

    def __init__(self, db: Database, worker_id: str) -> None:
        self._db = db
        self._worker_id = worker_id
        self._providers: set[str] = set()
        # A count that takes long is left under way at the end.
        self._loop = Loop("statistics", self.count, ROUND_SECONDS, patience_seconds=1.0)

    def count(self) -> bool:
        """Counts once if this worker leads; whether it did."""
        try:
            if workers.lead(self._db, DUTY, self._worker_id, int(3 * ROUND_SECONDS * 1000)):
                self._show(overview.look(self._db))
                return True
        except RushesError as error:
            log.warning("statistics_failed", error=type(error).__name__)
        for gauge in GAUGES:
            gauge.clear()
        return False

    def _show(self, seen: Overview) -> None:
        for queue in queues():
            for state in UNFINISHED:
                count = seen.unfinished.get((queue, state), 0)
                metrics.UNFINISHED_JOBS.labels(queue, state).set(count)
            metrics.QUEUE_AGE.labels(queue).set(seen.oldest_ms.get(queue, 0) / 1000)
            metrics.LIVE_WORKERS.labels(queue).set(seen.live_workers.get(queue, 0))
        metrics.SPEND.labels("reserved").set(seen.reserved_micros)
        metrics.SPEND.labels("spent").set(seen.spent_micros)
        self._providers |= seen.open_circuits.keys()
        for provider in self._providers:
            metrics.OPEN_CIRCUITS.labels(provider).set(provider in seen.open_circuits)
