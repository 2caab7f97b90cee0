"""The rescuer: each second, every worker process looks for jobs that nobody runs. No one leads.

It tops the queue up to the number of jobs that could be claimed now, so a lost or repeated wake-up
means nothing. When the queue itself can't be reached, it runs the jobs in this process.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import structlog

from core.errors import DependencyUnavailable, RushesError
from core.process import failpoints, metrics
from core.process.settings import Settings
from core.store import Database, claims, transitions, workers
from core.telling.changes import Changes
from core.telling.wakeups import JobQueue
from workers.loop import Loop, LoopPart
from workers.runs.journal import Journal
from workers.runs.pipeline import Pipeline

log = structlog.get_logger()

MOST_WAKE_UPS = 64


class Rescuer(LoopPart):
    """Wakes workers for jobs that wait, ends overdue jobs, and adopts what dead workers left.

    It also tells of this process, and calls `on_drain` when an administrator wants it to end.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        queues: tuple[str, ...],
        db: Database,
        queue: JobQueue,
        changes: Changes,
        pipeline: Pipeline,
        journal: Journal,
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._queues = queues
        self._db = db
        self._queue = queue
        self._changes = changes
        self._pipeline = pipeline
        self._journal = journal
        self._on_drain = on_drain
        self._version = version("rushes-server")
        self._own_threads = ThreadPoolExecutor(settings.worker_threads, "queueless")
        self._own_room = threading.Semaphore(settings.worker_threads)
        self._beat_at = float("-inf")
        self._loop = Loop("rescuer", self._round, settings.rescue_seconds, rests_first=True)

    def start(self) -> None:
        """Starts the thread. From then on the worker counts as alive."""
        self._beat()
        super().start()

    def close(self) -> None:
        """Ends the thread, and says that the worker leaves."""
        super().close()
        self._own_threads.shutdown()
        try:
            workers.leave(self._db, self._pipeline.worker_id)
        except RushesError as error:
            log.warning("leave_failed", error=type(error).__name__)

    def _round(self) -> None:
        self._beat()
        if workers.shall_end(self._db, self._pipeline.worker_id):
            self._on_drain()
        for queue in self._queues:
            self._top_up(queue)
        failpoints.hit("rescue.middle")
        self._fail_overdue()
        self._journal.adopt_left(self._pipeline.adopt)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at >= self._settings.heartbeat_seconds:
            workers.beat(
                self._db,
                self._pipeline.worker_id,
                self._queues,
                threads=self._settings.worker_threads,
                running=self._pipeline.keeper.held_count,
                version=self._version,
            )
            self._beat_at = now

    def _top_up(self, queue: str) -> None:
        most = claims.claimable(self._db, queue, self._settings.user_concurrency, MOST_WAKE_UPS)
        if not most:
            return
        try:
            for _ in range(most - self._queue.size(queue)):
                self._queue.wake(queue)
                metrics.RESCUES.labels(queue, "wake_up").inc()
        except DependencyUnavailable as error:
            log.warning(
                "queue_unreachable", queue=queue, error=type(error.__cause__ or error).__name__
            )
            self._run_here(queue, most)

    def _run_here(self, queue: str, most: int) -> None:
        for _ in range(most):
            if not self._own_room.acquire(blocking=False):
                return
            metrics.RESCUES.labels(queue, "run_here").inc()
            self._own_threads.submit(self._run_one, queue)

    def _run_one(self, queue: str) -> None:
        try:
            self._pipeline.run_next(queue)
        except RushesError as error:
            log.warning("claim_failed", queue=queue, error=type(error).__name__)
        finally:
            self._own_room.release()

    def _fail_overdue(self) -> None:
        for user_id, job_id in claims.overdue(self._db):
            self._fail(user_id, job_id)

    def _fail(self, user_id: str, job_id: str) -> None:
        event = self._changes.make(lambda db: transitions.fail_overdue(db, user_id, job_id))
        if event is not None:
            self._pipeline.release(event.job)
