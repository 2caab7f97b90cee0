"""An installation for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.process.keys import read_or_make_key
from core.process.settings import read_settings
from core.store import open_database, workers
from tests.services import Valkey
from tests.unit.admin.installed import Healthy, Installation, an_edge
from tests.unit.admin.running import Place


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """A used installation."""
    made = Place(tmp_path / "data", capsys)
    made.fill()
    return made


@pytest.fixture
def well(tmp_path: Path, valkey: Valkey) -> Iterator[Installation]:
    """All that the doctor looks at, in order."""
    data = tmp_path / "data"
    settings = read_settings(data_dir=data, redis_url=valkey.url)
    for path in (settings.signing_key_path, settings.jwt_key_path):
        read_or_make_key(path)
    (data / "blobs").mkdir()
    db = open_database(settings)
    workers.beat(db, "worker", ["video", "image"])
    with an_edge(Healthy) as address:
        told = {"RUSHES_DATA_DIR": str(data), "RUSHES_REDIS_URL": valkey.url}
        state = {"pid": os.getpid(), "address": address, "edge": True, "settings": told}
        yield Installation(settings, db, state)
    db.close()
