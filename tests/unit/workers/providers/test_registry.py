"""Which providers a worker has, by its settings."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.blobs import open_blobs
from core.catalog.models import LOCAL_PROVIDERS, PROVIDERS, read_catalog
from core.errors import SettingsInvalid
from core.process.settings import read_settings
from workers.providers import Providers
from workers.providers.registry import open_providers

KEYS = {"gemini_api_key": "g-canary", "openai_api_key": "o-canary", "vertex_project": "p"}
ALL = {**KEYS, "simulator": True}

# A worker, as far as it is made before its first job.
PROGRAM = """
import sys
from core.blobs import open_blobs
from core.catalog.models import read_catalog
from core.process.settings import read_settings
from workers.app import WorkerApp
from workers.providers.registry import open_providers
settings = read_settings()
open_providers(settings, read_catalog(None), open_blobs(settings, b"k" * 32))
heavy = ("openai", "google.genai", "google.auth")
print([name for name in heavy if name in sys.modules])
"""


def opened(folder: Path, **values: Any) -> Providers:
    settings = read_settings(data_dir=folder, **values)
    return open_providers(settings, read_catalog(None), open_blobs(settings, b"k" * 32))


def test_the_built_in_provider_needs_no_key(tmp_path: Path) -> None:
    assert list(opened(tmp_path)) == ["builtin"]
    assert not (tmp_path / "simulator").exists()


def test_the_simulator_is_there_where_it_is_turned_on(tmp_path: Path) -> None:
    assert list(opened(tmp_path, simulator=True)) == ["builtin", "simulator"]
    assert (tmp_path / "simulator" / "ledger.jsonl").exists()


def test_with_everything_configured_all_that_the_catalog_may_name_are_there(
    tmp_path: Path,
) -> None:
    assert set(opened(tmp_path, **ALL)) == set(PROVIDERS)


def test_exactly_the_local_providers_are_known_to_cost_nothing(tmp_path: Path) -> None:
    every = opened(tmp_path, **ALL)
    local = {name for name, provider in every.items() if not hasattr(provider, "submit")}
    assert local == set(LOCAL_PROVIDERS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gemini_api_key_file", "/nowhere/gemini.key"),
        ("openai_api_key_file", "/nowhere/openai.key"),
        ("gemini_api_key", "two\nlines"),
        ("vertex_output_uri", "s3://no"),
    ],
)
def test_one_that_can_not_be_used_keeps_the_worker_from_starting(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SettingsInvalid, match=f"RUSHES_{name.upper()}: "):
        opened(tmp_path, **{**ALL, name: value})


def test_no_provider_shows_its_key(tmp_path: Path) -> None:
    for provider in opened(tmp_path, **ALL).values():
        assert "canary" not in f"{provider} {provider!r}"


@pytest.mark.parametrize("keys", [{}, KEYS])
def test_no_sdk_is_loaded_before_there_is_a_job(tmp_path: Path, keys: dict[str, str]) -> None:
    told = {f"RUSHES_{name}".upper(): value for name, value in keys.items()}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"RUSHES_DATA_DIR": str(tmp_path), **told},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
