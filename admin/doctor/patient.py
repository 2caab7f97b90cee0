"""The installation that is checked: a run on this machine, or that of this shell's settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admin.site import read_run_settings
from core.process.settings import Settings
from core.store import Database
from core.store.overview import Overview, look


class Unwell(Exception):
    """Something is wrong. The message says what to do."""


@dataclass
class Patient:
    """The installation that the checks look at. `state` is None when no run of `make up` was found.

    `db` is set when the check of the database has passed.
    """

    settings: Settings
    state: Mapping[str, Any] | None
    db: Database | None = None
    _overview: Overview | None = None

    @property
    def address(self) -> str:
        """The address at which callers reach the installation."""
        return str(self.state["address"]) if self.state else self.settings.address

    def database(self) -> Database:
        """The database.

        Raises:
            Unwell: when its own check has failed.
        """
        if self.db is None:
            raise Unwell("not known until the database is in order")
        return self.db

    def overview(self) -> Overview:
        """The installation as it is, read once."""
        if self._overview is None:
            self._overview = look(self.database())
        return self._overview

    def check_settings(self) -> str:
        """Checks that this shell has the settings of the run."""
        if self.state is None:
            return "those of this shell; no `make up` runs here"
        unknown = [name for name in self.state.get("withheld", ()) if name not in os.environ]
        if unknown:
            raise Unwell(f"set {', '.join(unknown)} here as for the run: a secret is not passed on")
        return f"those of the run in {self.settings.data_dir} (process {self.state['pid']})"

    def close(self) -> None:
        """Closes the database."""
        if self.db is not None:
            self.db.close()


def read_patient(data_dir: Path | None, state: Mapping[str, Any] | None) -> Patient:
    """The installation of the run, or that of this shell when there is no run.

    Raises:
        SettingsInvalid: when its settings are invalid.
    """
    return Patient(read_run_settings(data_dir, state), state)
