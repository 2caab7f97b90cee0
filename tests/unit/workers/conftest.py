"""One worker's parts on SQLite and a local folder, with no Valkey to be told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.blobs import Blobs, open_blobs
from core.events import Event, ProgressTick
from core.settings import read_settings
from core.store import Database, open_database
from core.tell import Teller
from tests.unit.workers.scripted import ScriptedProvider
from workers.lease import LeaseKeeper
from workers.pipeline import Pipeline


@dataclass
class Told:
    """A stream and a queue that keep what they are told."""

    events: list[Event] = field(default_factory=list)
    ticks: list[ProgressTick] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)

    def publish(self, event: Event) -> None:
        self.events.append(event)

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
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def keeper(db: Database, teller: Teller) -> Iterator[LeaseKeeper]:
    """Looks often for what was cancelled; not started."""
    made = LeaseKeeper(db, teller, lease_seconds=60, heartbeat_seconds=0.04)
    yield made
    made.close()


@pytest.fixture
def pipeline(
    db: Database,
    blobs: Blobs,
    provider: ScriptedProvider,
    keeper: LeaseKeeper,
    teller: Teller,
    scratch: Path,
) -> Pipeline:
    return Pipeline(
        db=db,
        blobs=blobs,
        providers={"scripted": provider},
        keeper=keeper,
        teller=teller,
        worker_id="worker",
        work_folder=scratch,
        max_attempts=3,
        user_concurrency=4,
    )


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def no_scratch_is_left(scratch: Path) -> Iterator[None]:
    yield
    assert list(scratch.iterdir()) == []
