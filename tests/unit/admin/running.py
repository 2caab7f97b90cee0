"""`rushes-admin` in this process, on an installation in a folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from admin.cli import main
from core.blobs import Blobs, open_blobs
from core.jobs import Cost, CostState
from core.process.keys import read_or_make_key
from core.process.settings import Settings, read_settings
from core.store import Database, open_database
from tests.making import accepted

PAID = Cost(state=CostState.ESTIMATED, estimated_micros=250_000)


@dataclass(frozen=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a printed table, without its head."""
        return [line.split() for line in self.out.splitlines()[1:]]


@dataclass
class Place:
    """An installation: a data folder with a database, keys and blobs."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return read_settings(data_dir=self.folder, **self.environment)

    @contextmanager
    def database(self) -> Iterator[Database]:
        db = open_database(self.settings)
        yield db
        db.close()

    def blobs(self) -> Blobs:
        key = read_or_make_key(self.settings.signing_key_path)
        return open_blobs(self.settings, key)

    def fill(self) -> str:
        """Makes it one that was used; the id of a waiting job that costs something."""
        read_or_make_key(self.settings.jwt_key_path)
        self.blobs().put_bytes("media/a", b"film")
        with self.database() as db:
            return accepted(db, provider="paid", cost=PAID).job.job_id

    def run(self, *arguments: str) -> Said:
        """One command."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(f"RUSHES_{name.upper()}", str(value))
            command = ["rushes-admin", "--data-dir", str(self.folder), *arguments]
            patch.setattr(sys, "argv", command)
            self.capsys.readouterr()
            code = main()
        printed = self.capsys.readouterr()
        return Said(code, printed.out, printed.err)
