"""Finds the installation that a command is about: a run of `make up`, or this shell's settings."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SettingsInvalid
from core.process.disk import FolderHeld, held
from core.process.secrets import KEY_VARIABLES
from core.process.settings import Settings, read_settings
from core.store import Database
from core.store.engine.database import connect
from core.store.engine.migrate import pending
from core.store.engine.sqlite import sqlite_path

PREFIX = "RUSHES_"
DATA_DIR = "RUSHES_DATA_DIR"
_STATE = Path("run", "standalone.json")


@dataclass(frozen=True, slots=True)
class Site:
    """An installation and its settings. `unknown` names the variables of providers' keys that the
    run has and this shell does not have."""

    settings: Settings
    unknown: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return self.settings.data_dir.absolute()

    @property
    def database_file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return sqlite_path(self.settings.database)

    @property
    def blob_folder(self) -> Path | None:
        """The folder of the blobs; None when they are in an object store."""
        address = self.settings.blobs
        return Path(address.removeprefix("file://")) if address.startswith("file://") else None

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """Opens the database as it is. Makes no file and changes no table.

        Raises:
            SettingsInvalid: when there is none, or when an older version made it.
            DataNewer: when a newer version made it.
            DependencyUnavailable: when it can't be reached.
        """
        file = self.database_file
        if file is not None and not file.is_file():
            raise SettingsInvalid(
                f"There is no database {file}: name the data folder with --data-dir."
            )
        db = connect(self.settings.database, connections=1)
        try:
            if pending(db):
                raise SettingsInvalid(
                    "An older version made the database: start this version once, then try again."
                )
            yield db
        finally:
            db.close()

    @contextlib.contextmanager
    def alone(self, purpose: str) -> Iterator[None]:
        """Holds the lock of the data folder, so that no run can start on it.

        Raises:
            SettingsInvalid: when a run holds it.
        """
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(held(self.data, purpose))
            except FolderHeld:
                raise SettingsInvalid(f"Rushes runs on {self.data}: stop it first.") from None
            yield


def find_site(data_dir: Path | None) -> Site:
    """The installation of the folder, or of the nearest data folder.

    Raises:
        SettingsInvalid: when its settings are invalid, or when this shell lacks some of them.
    """
    folder = data_dir or _nearest()
    state = _read_state(folder)
    unknown = [name for name in (state or {}).get("withheld", ()) if name not in os.environ]
    # A command that calls no provider needs none of their keys.
    needed = [name for name in unknown if name not in KEY_VARIABLES.values()]
    if needed:
        names = ", ".join(needed)
        raise SettingsInvalid(
            f"Set {names} in this shell as for the run: secrets are not passed on."
        )
    return Site(read_run_settings(folder, state), tuple(unknown))


def read_run_settings(data_dir: Path | None, state: Mapping[str, Any] | None) -> Settings:
    """The settings of the run, or of this shell when there is no run.

    Raises:
        SettingsInvalid: when they are invalid.
    """
    if state is None:
        return read_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    withheld = set(state.get("withheld", ()))
    values = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if f"{PREFIX}{name.upper()}" not in withheld
    }
    told = state.get("settings", {})
    values |= {name.removeprefix(PREFIX).lower(): value for name, value in told.items()}
    return read_settings(**values)


def _nearest() -> Path | None:
    """The data folder of RUSHES_DATA_DIR, or `.rushes` in the working directory or a parent."""
    if named := os.environ.get(DATA_DIR):
        return Path(named)
    here = Path.cwd()
    folders = (folder / ".rushes" for folder in (here, *here.parents))
    return next((folder for folder in folders if _is_ours(folder)), None)


def _is_ours(folder: Path) -> bool:
    """Whether the folder exists, and does not belong to another user."""
    try:
        owner = folder.stat().st_uid
    except OSError:
        return False
    return os.geteuid() in (0, owner)


def _read_state(folder: Path | None) -> dict[str, Any] | None:
    """What a live run on the folder says about itself; None when there is none."""
    try:
        state = json.loads(((folder or Path(".rushes")) / _STATE).read_text())
        os.kill(int(state["pid"]), 0)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return dict(state)
