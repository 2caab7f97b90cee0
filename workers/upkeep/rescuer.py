"""The rescuer: every worker process looks each second for jobs that nobody runs; no one leads.

It tops the queue up to what could be claimed now, so a lost or repeated wake-up means nothing. When
the queue itself can't be reached, it runs the jobs here.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import structlog

from core.errors import RushesError
from core.process import failpoints, metrics
from core.process.settings import Settings
from core.store import Database, claims, transitions, workers
from core.telling.changes import TELL_ERRORS, Teller
from core.telling.wakeups import JobQueue
from workers.runs.journal import Journal
from workers.runs.pipeline import Pipeline

log = structlog.get_logger()

MOST_WAKE_UPS = 64


class Rescuer:
    """The thread that looks after the jobs of everybody."""

    def __init__(
        self,
        *,
        settings: Settings,
        queues: tuple[str, ...],
        db: Database,
        queue: JobQueue,
        teller: Teller,
        pipeline: Pipeline,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self._queues = queues
        self._db = db
        self._queue = queue
        self._teller = teller
        self._pipeline = pipeline
        self._journal = journal
        self._stopped = threading.Event()
        self._own_threads = ThreadPoolExecutor(settings.worker_threads, "queueless")
        self._own_room = threading.Semaphore(settings.worker_threads)
        self._beat_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="rescuer", daemon=True)

    def start(self) -> None:
        """Starts the thread; the worker is known to live from then on."""
        self._beat()
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Asks the thread to end."""
        self._stopped.set()

    def close(self) -> None:
        """Ends the thread and says that the worker leaves."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._own_threads.shutdown()
        try:
            workers.leave(self._db, self._pipeline.worker_id)
        except RushesError as error:
            log.warning("leave_failed", error=type(error).__name__)

    def _run(self) -> None:
        while not self._stopped.wait(self._settings.rescue_seconds):
            try:
                self._beat()
                for queue in self._queues:
                    self._top_up(queue)
                failpoints.hit("rescue.middle")
                self._fail_overdue()
                self._journal.adopt_left(self._pipeline.adopt)
            except RushesError as error:
                log.warning("rescue_failed", error=type(error).__name__)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at >= self._settings.heartbeat_seconds:
            workers.beat(self._db, self._pipeline.worker_id, self._queues)
            self._beat_at = now

    def _top_up(self, queue: str) -> None:
        most = claims.claimable(self._db, queue, self._settings.user_concurrency, MOST_WAKE_UPS)
        if not most:
            return
        try:
            for _ in range(most - self._queue.size(queue)):
                self._queue.wake(queue)
                metrics.RESCUES.labels(queue, "wake_up").inc()
        except TELL_ERRORS as error:
            log.warning("queue_unreachable", queue=queue, error=type(error).__name__)
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
            event = transitions.fail_overdue(self._db, user_id, job_id)
            if event is not None:
                self._teller.tell(event)
                self._pipeline.release(event.job)
