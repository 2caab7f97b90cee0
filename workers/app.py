"""The composition root of the worker role: chooses every part, starts and ends them in order."""

import contextlib
import os
import shutil
import socket
import threading
import time
import uuid
from pathlib import Path

import structlog
from dramatiq.worker import Worker

from core.blobs import open_blobs
from core.catalog.models import read_catalog
from core.process import failpoints
from core.process.keys import read_or_make_key
from core.process.settings import Settings
from core.store import open_database
from core.store.durations import Durations
from core.telling.changes import Teller
from core.telling.stream import TIMEOUT_SECONDS, EventStream, connect
from core.telling.wakeups import JobQueue, open_broker
from workers.actors import declare_actors
from workers.backoff import Backoff
from workers.endings import Endings
from workers.polls.paces import FRESH_SECONDS, Paces
from workers.polls.poller import Poller
from workers.polls.postponer import Postponer
from workers.polls.ticker import Ticker
from workers.providers import Providers
from workers.providers.kept import open_kept
from workers.providers.metered import metered
from workers.providers.registry import open_providers
from workers.runs.journal import Journal
from workers.runs.lease import LeaseKeeper
from workers.runs.pipeline import Pipeline
from workers.runs.reconcile import Reconciler
from workers.runs.submit import Submitter
from workers.upkeep.aside import Aside
from workers.upkeep.housekeeper import Housekeeper
from workers.upkeep.purge import owns
from workers.upkeep.rescuer import Rescuer
from workers.upkeep.statistics import Statistics

log = structlog.get_logger()

WAIT_MS = 500
MIB = 1024 * 1024
LEFT_SECONDS = 24 * 3600


def _work_folder(settings: Settings) -> Path:
    """Where results are made before they are stored; rid of what killed runs left a day ago."""
    folder = settings.data_dir / "work"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # of another worker, which is done with it
            _erase_old(left)
    return folder


def _erase_old(left: Path) -> None:
    if time.time() - left.stat().st_mtime <= LEFT_SECONDS:
        return
    if left.is_dir():  # of an older version
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink()


class WorkerApp:
    """One worker process: `worker_threads` runs at once, a lease keeper and a rescuer."""

    def __init__(self, settings: Settings, providers: Providers | None = None) -> None:
        failpoints.arm(settings.failpoints)
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        catalog = read_catalog(settings.models_file, settings.missing)
        queues = settings.queues or catalog.queues
        self._db = open_database(settings)
        self._redis = connect(settings)
        self._broker = open_broker(connect(settings, WAIT_MS / 1000 + TIMEOUT_SECONDS))
        queue = JobQueue(open_broker(self._redis))
        teller = Teller(EventStream(self._redis, settings.stream_shards), queue)
        self._blobs = blobs = open_blobs(settings, read_or_make_key(settings.signing_key_path))
        self._keeper = LeaseKeeper(
            self._db, teller, settings.lease_seconds, settings.heartbeat_seconds
        )
        if providers is None:
            providers = open_providers(settings, catalog, blobs)
        providers = metered(providers)
        self._closing = threading.Event()
        self._grace_ms = int(settings.drain_run_seconds * 1000)
        self._journal = Journal(settings.data_dir / "journal", self.worker_id)
        self._aside = Aside()
        endings = Endings(db=self._db, teller=teller, backoff=_backoff(settings), aside=self._aside)
        paces = Paces(catalog, Durations(self._db, FRESH_SECONDS))
        ticker = Ticker(teller, paces)
        self._poller = Poller(
            db=self._db,
            teller=teller,
            endings=endings,
            postponer=_postponer(settings, endings, paces, ticker),
            providers=providers,
            queues=queues,
            worker_id=self.worker_id,
            lease_ms=self._keeper.lease_ms,
            look_seconds=settings.rescue_seconds,
        )
        submitter = self._submitter(settings, endings, paces, ticker)
        pipeline = Pipeline(
            db=self._db,
            blobs=blobs,
            providers=providers,
            keeper=self._keeper,
            teller=teller,
            endings=endings,
            submitter=submitter,
            reconciler=_reconciler(settings, endings, submitter),
            worker_id=self.worker_id,
            work_folder=_work_folder(settings),
            max_attempts=settings.max_attempts,
            user_concurrency=settings.user_concurrency,
            max_result_bytes=settings.max_result_megabytes * MIB,
        )
        self._rescuer = Rescuer(
            settings=settings,
            queues=queues,
            db=self._db,
            queue=queue,
            teller=teller,
            pipeline=pipeline,
            journal=self._journal,
        )
        kept, days = open_kept(settings, blobs), settings.retention_days
        self._housekeeper = Housekeeper(self._db, blobs, kept, self.worker_id, days)
        self._statistics = Statistics(self._db, self.worker_id) if settings.metrics_listen else None
        declare_actors(self._broker, pipeline, queues)
        self._worker = Worker(
            self._broker,
            queues=set(queues),
            worker_threads=settings.worker_threads,
            worker_timeout=WAIT_MS,
        )
        # More than it has threads for would hide jobs from idle workers.
        self._worker.queue_prefetch = settings.worker_threads

    def _submitter(
        self, settings: Settings, endings: Endings, paces: Paces, ticker: Ticker
    ) -> Submitter:
        return Submitter(
            db=self._db,
            teller=endings.teller,
            endings=endings,
            paces=paces,
            ticker=ticker,
            journal=self._journal,
            closing=self._closing,
            nudge_poller=self._poller.nudge,
            worker_id=self.worker_id,
            user_concurrency=settings.user_concurrency,
            circuit_failures=settings.circuit_failures,
            circuit_ms=int(settings.circuit_seconds * 1000),
        )

    def start(self) -> None:
        """Starts to take jobs.

        Raises:
            DependencyUnavailable, StorageFull: when results could not be stored.
        """
        self._blobs.check()
        owns(self._db, self._blobs)
        self._keeper.start()
        self._rescuer.start()
        self._poller.start()
        self._aside.start()
        self._housekeeper.start()
        if self._statistics:
            self._statistics.start()
        self._worker.start()
        log.info("worker_started", worker_id=self.worker_id)

    @property
    def sound(self) -> bool:
        """Whether the threads that keep leases, poll and rescue jobs live; without them, end it."""
        threads = (self._keeper, self._rescuer, self._poller, self._housekeeper)
        return all(thread.alive for thread in threads)

    def close(self) -> None:
        """Stops claiming, hands back what runs, and closes everything."""
        # Not worker.pause(): it waits for what runs, and makes the consumers sleep for 3 s.
        self._keeper.hand_all_back()
        self._closing.set()
        self._poller.stop()
        self._rescuer.stop()
        self._housekeeper.stop()
        self._worker.stop(timeout=self._grace_ms)
        self._poller.close()
        self._rescuer.close()
        self._housekeeper.close()
        if self._statistics:
            self._statistics.close()
        self._aside.close()
        self._keeper.close()
        self._journal.close()
        self._db.close()
        self._broker.close()
        self._redis.close()
        log.info("worker_stopped", worker_id=self.worker_id)


def _backoff(settings: Settings) -> Backoff:
    return Backoff(int(settings.retry_seconds * 1000), int(settings.max_retry_seconds * 1000))


def _postponer(settings: Settings, endings: Endings, paces: Paces, ticker: Ticker) -> Postponer:
    return Postponer(
        db=endings.db,
        teller=endings.teller,
        backoff=endings.backoff,
        paces=paces,
        ticker=ticker,
        circuit_failures=settings.circuit_failures,
        circuit_ms=int(settings.circuit_seconds * 1000),
    )


def _reconciler(settings: Settings, endings: Endings, submitter: Submitter) -> Reconciler:
    return Reconciler(
        db=endings.db,
        teller=endings.teller,
        endings=endings,
        submitter=submitter,
        resubmits=settings.resubmit_policy == "resubmit_after_lookup",
        reconcile_ms=int(settings.reconcile_seconds * 1000),
        look_up_ms=int(settings.look_up_seconds * 1000),
    )
