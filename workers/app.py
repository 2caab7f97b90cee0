"""The composition root of the worker role: makes every part, and starts and ends them in order."""

import contextlib
import os
import resource
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from core import decoding
from core.blobs import Blobs, open_blobs
from core.catalog.models import read_catalog
from core.process import failpoints
from core.process.keys import read_or_make_key
from core.process.settings import Settings
from core.sending import open_sender
from core.store import Database, open_database
from core.store.durations import Durations
from core.store.retention import Kept
from core.telling.changes import Changes, Teller
from core.telling.reads import TIMEOUT_SECONDS
from core.telling.stream import RedisStream, connect
from core.telling.wakeups import JobQueue, open_broker
from core.tokens import Tokens
from core.webhooks import Secrets
from workers.actors import WAIT_MS, Listener
from workers.backoff import Backoff
from workers.circuits import Circuits
from workers.deliveries.deliverer import Deliverer
from workers.deliveries.waker import WAIT_SECONDS, DeliveryWaker
from workers.endings import Endings
from workers.loop import LoopPart
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
from workers.upkeep.indexer import Indexer
from workers.upkeep.purge import owns
from workers.upkeep.rescuer import Rescuer
from workers.upkeep.statistics import Statistics

log = structlog.get_logger()

MIB = 1024 * 1024
LEFT_SECONDS = 24 * 3600
# Files that a process opens besides the sockets of deliveries.
OTHER_FILES = 384


class Part(Protocol):
    """Something that runs in the background of the process."""

    def start(self) -> None:
        """Starts it."""

    def stop(self) -> None:
        """Asks it to end; returns at once. Nothing happens if it was never started."""

    def close(self) -> None:
        """Ends it, after `stop`."""


class WorkerApp:
    """One worker process: runs `worker_threads` jobs at once, and looks after them."""

    def __init__(
        self,
        settings: Settings,
        providers: Providers | None = None,
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_drain` is called when an administrator wants this process to end."""
        failpoints.arm(settings.failpoints)
        self._redis = connect(settings)
        queue = JobQueue(self._redis)
        teller = Teller(RedisStream(self._redis, settings), queue)
        base = self._base = _make_base(settings, providers, queue, teller)
        aside = Aside()
        circuits = _circuits(base)
        endings = Endings(db=base.db, changes=base.changes, backoff=_backoff(settings), aside=aside)
        ticker = Ticker(base.teller, base.paces)
        keeper = _keeper(base)
        poller = _poller(base, endings, circuits, ticker)
        submitter = _submitter(base, endings, circuits, ticker, poller)
        pipeline = _pipeline(base, keeper, endings, submitter)
        self._broker = open_broker(connect(settings, WAIT_MS / 1000 + TIMEOUT_SECONDS))
        listener = Listener(
            self._broker,
            pipeline,
            base.queues,
            threads=settings.worker_threads,
            grace_ms=int(settings.drain_run_seconds * 1000),
        )
        # In the order in which they start. Leases are kept before anything claims a job, and jobs
        # are taken last. They end in the opposite order: the listener's runs end first, while
        # their leases are still renewed and their calls aside still made.
        self._loops: list[LoopPart] = [
            keeper,
            aside,
            _housekeeper(base),
            Indexer(base.db, base.worker_id),
            *([Statistics(base.db, base.worker_id)] if settings.metrics_listen else []),
            _rescuer(base, pipeline, on_drain),
            poller,
            *_deliverers(base),
        ]
        self._parts: list[Part] = [*self._loops, listener]

    @property
    def worker_id(self) -> str:
        """The name of this process in the database."""
        return self._base.worker_id

    def start(self) -> None:
        """Starts to take jobs.

        Raises:
            DependencyUnavailable, StorageFull: when results could not be stored.
        """
        self._base.blobs.check()
        owns(self._base.db, self._base.blobs)
        for part in self._parts:
            part.start()
        log.info("worker_started", worker_id=self.worker_id)

    @property
    def sound(self) -> bool:
        """Whether all vital loops are alive. A process without one of them shall end."""
        return all(loop.alive for loop in self._loops if loop.vital)

    def close(self) -> None:
        """Stops claiming, hands back the jobs that run, and closes everything."""
        base = self._base
        # The keeper is first: its stop asks every run to hand its job back.
        for part in self._parts:
            part.stop()
        base.closing.set()
        for part in reversed(self._parts):
            part.close()
        decoding.close()
        base.journal.close()
        base.db.close()
        self._broker.close()
        self._redis.close()
        log.info("worker_stopped", worker_id=self.worker_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What the parts of one process are made of. `closing` is set when the process ends."""

    settings: Settings
    worker_id: str
    queues: tuple[str, ...]
    db: Database
    blobs: Blobs
    providers: Providers
    paces: Paces
    queue: JobQueue
    teller: Teller
    changes: Changes
    journal: Journal
    closing: threading.Event


def _make_base(
    settings: Settings, providers: Providers | None, queue: JobQueue, teller: Teller
) -> _Base:
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    catalog = read_catalog(settings.models_file, settings.missing)
    db = open_database(settings)
    blobs = open_blobs(settings, read_or_make_key(settings.signing_key_path))
    if providers is None:
        providers = open_providers(settings, catalog, blobs)
    return _Base(
        settings=settings,
        worker_id=worker_id,
        queues=settings.queues or catalog.queues,
        db=db,
        blobs=blobs,
        providers=metered(providers),
        paces=Paces(catalog, Durations(db, FRESH_SECONDS)),
        queue=queue,
        teller=teller,
        changes=Changes(db, teller),
        journal=Journal(settings.data_dir / "journal", worker_id),
        closing=threading.Event(),
    )


def _backoff(settings: Settings) -> Backoff:
    return Backoff(int(settings.retry_seconds * 1000), int(settings.max_retry_seconds * 1000))


def _circuits(base: _Base) -> Circuits:
    settings = base.settings
    open_ms = int(settings.circuit_seconds * 1000)
    return Circuits(db=base.db, failures=settings.circuit_failures, open_ms=open_ms)


def _keeper(base: _Base) -> LeaseKeeper:
    settings = base.settings
    return LeaseKeeper(
        base.db, base.teller, settings.lease_seconds, settings.heartbeat_seconds, base.paces
    )


def _poller(base: _Base, endings: Endings, circuits: Circuits, ticker: Ticker) -> Poller:
    postponer = Postponer(
        db=base.db,
        teller=base.teller,
        backoff=_backoff(base.settings),
        paces=base.paces,
        ticker=ticker,
    )
    return Poller(
        db=base.db,
        teller=base.teller,
        endings=endings,
        postponer=postponer,
        circuits=circuits,
        providers=base.providers,
        queues=base.queues,
        worker_id=base.worker_id,
        lease_ms=int(base.settings.lease_seconds * 1000),
        look_seconds=base.settings.rescue_seconds,
    )


def _submitter(
    base: _Base, endings: Endings, circuits: Circuits, ticker: Ticker, poller: Poller
) -> Submitter:
    return Submitter(
        db=base.db,
        changes=base.changes,
        endings=endings,
        circuits=circuits,
        paces=base.paces,
        ticker=ticker,
        journal=base.journal,
        closing=base.closing,
        nudge_poller=poller.nudge,
        worker_id=base.worker_id,
        user_concurrency=base.settings.user_concurrency,
    )


def _pipeline(base: _Base, keeper: LeaseKeeper, endings: Endings, submitter: Submitter) -> Pipeline:
    settings = base.settings
    reconciler = Reconciler(
        db=base.db,
        teller=base.teller,
        endings=endings,
        submitter=submitter,
        resubmits=settings.resubmit_policy == "resubmit_after_lookup",
        reconcile_ms=int(settings.reconcile_seconds * 1000),
        look_up_ms=int(settings.look_up_seconds * 1000),
    )
    return Pipeline(
        db=base.db,
        blobs=base.blobs,
        providers=base.providers,
        keeper=keeper,
        changes=base.changes,
        teller=base.teller,
        endings=endings,
        submitter=submitter,
        reconciler=reconciler,
        worker_id=base.worker_id,
        work_folder=_work_folder(settings),
        max_attempts=settings.max_attempts,
        user_concurrency=settings.user_concurrency,
        max_views=settings.max_views,
        max_result_bytes=settings.max_result_megabytes * MIB,
    )


def _rescuer(base: _Base, pipeline: Pipeline, on_drain: Callable[[], None]) -> Rescuer:
    return Rescuer(
        settings=base.settings,
        queues=base.queues,
        db=base.db,
        queue=base.queue,
        changes=base.changes,
        pipeline=pipeline,
        journal=base.journal,
        on_drain=on_drain,
    )


def _housekeeper(base: _Base) -> Housekeeper:
    kept = open_kept(base.settings, base.blobs)
    settings = base.settings
    return Housekeeper(
        base.db,
        base.blobs,
        kept,
        base.worker_id,
        settings.retention_days,
        settings.user_concurrency,
        kept_beside=Kept(
            max_notifications=settings.max_notifications,
            notification_days=settings.notification_days,
            usage_days=settings.usage_days,
        ),
    )


def _deliverers(base: _Base) -> list[LoopPart]:
    """What sends deliveries to webhooks, and what wakes it; nothing where there are none."""
    settings = base.settings
    if settings.webhooks == "off":
        return []
    # The one mapping of events to what callers see. A worker without webhooks does without it.
    from server.mapping import Mapper
    from server.mapping.addresses import BlobAddresses
    from server.mapping.webhooks import Bodies

    signing_key = read_or_make_key(settings.signing_key_path)
    addresses = BlobAddresses(base.blobs, settings.signed_url_ttl_seconds)
    mapper = Mapper(addresses, settings.currency, settings.max_outputs)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    deliverer = Deliverer(
        db=base.db,
        changes=base.changes,
        sender=open_sender(settings, Secrets(signing_key)),
        bodies=Bodies(mapper, Tokens(signing_key)),
        at_once=max(min(settings.max_webhook_tries, files - OTHER_FILES), 16),
        at_once_of_webhook=settings.max_tries_of_webhook,
        lease_ms=int((settings.webhook_try_seconds + 2 * settings.lease_seconds) * 1000),
        look_seconds=settings.rescue_seconds,
    )
    waiting = connect(settings, WAIT_SECONDS + TIMEOUT_SECONDS)
    return [deliverer, DeliveryWaker(waiting, deliverer.nudge)]


def _work_folder(settings: Settings) -> Path:
    """The folder in which results are made before they are stored. Files that killed runs left
    there a day ago are erased."""
    folder = settings.data_dir / "work"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another worker has just erased it
            _erase_old(left)
    return folder


def _erase_old(left: Path) -> None:
    if time.time() - left.stat().st_mtime <= LEFT_SECONDS:
        return
    if left.is_dir():  # an older version made folders
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink()
