"""An installation for each test."""

from pathlib import Path

import pytest

from tests.unit.admin.running import Place


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """A used installation."""
    made = Place(tmp_path / "data", capsys)
    made.fill()
    return made
