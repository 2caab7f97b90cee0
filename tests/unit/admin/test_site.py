"""Which installation a command finds."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from admin.site import find_site
from core.errors import SettingsInvalid


def announce(folder: Path, **state: Any) -> None:
    """Says what a run of `make up` says of itself."""
    (folder / "run").mkdir(parents=True)
    values = {"pid": os.getpid(), "settings": {"RUSHES_DATA_DIR": str(folder)}, "withheld": []}
    (folder / "run" / "standalone.json").write_text(json.dumps({**values, **state}))


def test_the_settings_of_a_run_count_more_than_this_shell_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_CURRENCY", "EUR")
    told = {"RUSHES_DATA_DIR": str(tmp_path), "RUSHES_MAX_LABELS": "7"}
    announce(tmp_path, settings=told)
    site = find_site(tmp_path)
    assert (site.settings.max_labels, site.settings.currency) == (7, "USD")
    assert site.database_file == tmp_path / "rushes.db"
    assert site.blob_folder == tmp_path / "blobs"


def test_a_run_that_has_ended_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_CURRENCY", "EUR")
    announce(tmp_path, pid=2**22 + 1)
    assert find_site(tmp_path).settings.currency == "EUR"


def test_a_secret_of_the_run_must_be_given_here_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(tmp_path, withheld=["RUSHES_DATABASE_URL"])
    with pytest.raises(SettingsInvalid, match="Set RUSHES_DATABASE_URL in this shell"):
        find_site(tmp_path)
    monkeypatch.setenv("RUSHES_DATABASE_URL", "postgresql://me:secret@host/name")
    site = find_site(tmp_path)
    assert site.settings.database.startswith("postgresql://")
    assert site.database_file is None


def test_the_nearest_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".rushes").mkdir()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_site(None).data == tmp_path / ".rushes"
    monkeypatch.setenv("RUSHES_DATA_DIR", str(tmp_path / "named"))
    assert find_site(None).data == tmp_path / "named"
