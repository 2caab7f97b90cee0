"""One worker's parts on SQLite and a local folder, with no Valkey to be told."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog.testing

from core.blobs import Blobs, open_blobs
from core.catalog.models import Catalog, read_catalog
from core.events import Event, ProgressTick, UserChange
from core.process import failpoints
from core.process.settings import read_settings
from core.store import Database, open_database
from core.store.durations import Durations
from core.telling.changes import Changes, Teller
from tests.unit.workers.scripted import ScriptedLocal, ScriptedPaid
from workers.backoff import Backoff
from workers.circuits import Circuits
from workers.endings import Endings
from workers.polls.paces import Paces
from workers.polls.poller import Poller
from workers.polls.postponer import Postponer
from workers.polls.ticker import Ticker
from workers.providers import Providers
from workers.runs.journal import Journal
from workers.runs.lease import LeaseKeeper
from workers.runs.pipeline import Pipeline
from workers.runs.reconcile import Reconciler
from workers.runs.submit import Submitter


@dataclass
class Told:
    """A stream and a queue that keep what they are told."""

    events: list[Event] = field(default_factory=list)
    ticks: list[ProgressTick] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)

    def publish(self, event: Event, wakes: str = "") -> None:
        self.events.append(event)
        self.woken += [wakes] if wakes else []

    def publish_all(self, told: Sequence[tuple[Event, str]]) -> None:
        for event, wakes in told:
            self.publish(event, wakes)

    def publish_change(self, change: UserChange) -> None:
        raise AssertionError("workers change jobs only")

    def publish_progress(self, tick: ProgressTick) -> None:
        self.ticks.append(tick)

    def wake(self, queue: str) -> None:
        self.woken.append(queue)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = open_database(read_settings(data_dir=tmp_path))
    yield database
    database.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(read_settings(data_dir=tmp_path), b"k" * 32)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def teller(told: Told) -> Teller:
    return Teller(told, told)  # type: ignore[arg-type]


@pytest.fixture
def changes(db: Database, teller: Teller) -> Changes:
    return Changes(db, teller)


@pytest.fixture
def circuits(db: Database) -> Circuits:
    return Circuits(db=db, failures=3, open_ms=60_000)


@pytest.fixture
def provider() -> ScriptedLocal:
    """The one that "scripted" jobs have: free, in this process."""
    return ScriptedLocal()


@pytest.fixture
def payee() -> ScriptedPaid:
    """The one that "paid" jobs have."""
    return ScriptedPaid()


@pytest.fixture
def providers(provider: ScriptedLocal, payee: ScriptedPaid) -> Providers:
    return {"scripted": provider, "paid": payee}


@pytest.fixture
def keeper(db: Database, teller: Teller, paces: Paces) -> Iterator[LeaseKeeper]:
    """Looks often for what was cancelled; not started."""
    made = LeaseKeeper(db, teller, lease_seconds=60, heartbeat_seconds=0.04, paces=paces)
    yield made
    made.close()


@pytest.fixture
def endings(db: Database, changes: Changes) -> Endings:
    backoff = Backoff(1000, 60_000)
    return Endings(db=db, changes=changes, backoff=backoff, aside=lambda work: work())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal", "worker")
    yield made
    made.close()


@pytest.fixture
def closing() -> threading.Event:
    """Set when the worker shall end."""
    return threading.Event()


@pytest.fixture
def paces(db: Database) -> Paces:
    """Past runs are read each time."""
    known = read_catalog(None).models["builtin-image"]
    return Paces(
        Catalog([dataclasses.replace(known, typical_seconds=100, poll_seconds=10)]),
        Durations(db, fresh_seconds=-1),
    )


@pytest.fixture
def ticker(teller: Teller, paces: Paces) -> Ticker:
    return Ticker(teller, paces)


@pytest.fixture
def postponer(
    db: Database, teller: Teller, endings: Endings, paces: Paces, ticker: Ticker
) -> Postponer:
    return Postponer(
        db=db,
        teller=teller,
        backoff=endings.backoff,
        paces=paces,
        ticker=ticker,
    )


@pytest.fixture
def submitter(
    db: Database,
    changes: Changes,
    endings: Endings,
    circuits: Circuits,
    journal: Journal,
    closing: threading.Event,
    paces: Paces,
    ticker: Ticker,
) -> Submitter:
    return Submitter(
        db=db,
        changes=changes,
        endings=endings,
        circuits=circuits,
        paces=paces,
        ticker=ticker,
        journal=journal,
        closing=closing,
        nudge_poller=lambda: None,
        worker_id="worker",
        user_concurrency=4,
    )


@pytest.fixture
def reconciler(db: Database, teller: Teller, endings: Endings, submitter: Submitter) -> Reconciler:
    return Reconciler(
        db=db,
        teller=teller,
        endings=endings,
        submitter=submitter,
        resubmits=False,
        reconcile_ms=600_000,
        look_up_ms=30_000,
    )


@pytest.fixture
def pipeline(
    db: Database,
    blobs: Blobs,
    providers: Providers,
    keeper: LeaseKeeper,
    changes: Changes,
    teller: Teller,
    endings: Endings,
    submitter: Submitter,
    reconciler: Reconciler,
    scratch: Path,
) -> Pipeline:
    return Pipeline(
        db=db,
        blobs=blobs,
        providers=providers,
        keeper=keeper,
        changes=changes,
        teller=teller,
        endings=endings,
        submitter=submitter,
        reconciler=reconciler,
        worker_id="worker",
        work_folder=scratch,
        max_attempts=3,
        user_concurrency=4,
        max_views=1000,
        max_result_bytes=1024 * 1024,
    )


@pytest.fixture
def poller(
    db: Database,
    teller: Teller,
    endings: Endings,
    postponer: Postponer,
    circuits: Circuits,
    providers: Providers,
) -> Iterator[Poller]:
    """Looks often for what is due; not started."""
    made = Poller(
        db=db,
        teller=teller,
        endings=endings,
        postponer=postponer,
        circuits=circuits,
        providers=providers,
        queues=("image", "video"),
        worker_id="worker",
        lease_ms=60_000,
        look_seconds=0.02,
    )
    yield made
    made.close()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Keeps log lines to itself: a hundred drawn tracebacks take longer than what they tell of."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def no_failpoint_is_left() -> Iterator[None]:
    yield
    failpoints.arm("")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def no_scratch_is_left(scratch: Path) -> Iterator[None]:
    yield
    assert list(scratch.iterdir()) == []
