"""New machines for the tests of the installation, and newer versions of every locked package."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.install.decoys import write_decoys
from tests.install.machines import ROOT, Machine, copy_tree, this_python

NewMachine = Callable[..., Machine]
WHOLE = ("test_everything_installs", "test_everything_runs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole installations come first: nobody waits for them at the end, and caches are empty."""
    items.sort(key=lambda item: not item.name.startswith(WHOLE))


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of pip of this test process; empty at first."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def decoys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a newer version of every locked package."""
    folder = tmp_path_factory.mktemp("decoys")
    write_decoys(sorted((ROOT / "requirements").glob("*.lock")), folder)
    return folder


@pytest.fixture(scope="session")
def new_machine(
    tmp_path_factory: pytest.TempPathFactory, downloads: Path, decoys: Path
) -> NewMachine:
    """Makes a machine with an empty home, on which pip finds the newer versions too."""

    def make(python: str = this_python()) -> Machine:
        folder = tmp_path_factory.mktemp("machine")
        home = folder / "home"
        home.mkdir()
        variables = {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "PIP_CACHE_DIR": str(downloads),
            "PIP_FIND_LINKS": f"{os.environ.get('PIP_FIND_LINKS', '')} {decoys}".strip(),
        }
        return Machine(copy_tree(folder / "rushes"), python, variables)

    return make
