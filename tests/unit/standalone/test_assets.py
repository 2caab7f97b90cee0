"""The data files of the one-command run."""

from pathlib import Path

import pytest

from standalone import assets


def test_the_files_of_the_repository_are_found() -> None:
    assert assets.find_asset("envoy.yaml").is_absolute()
    assert assets.find_asset("protos/rushes.binpb").is_file()


def test_packaged_copies_are_found_without_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "envoy.yaml").touch()
    monkeypatch.setattr(assets, "PLACES", (tmp_path, tmp_path / "data"))

    assert assets.find_asset("envoy.yaml") == tmp_path / "data" / "envoy.yaml"


def test_a_file_that_is_nowhere_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"lacks nothing\.yaml"):
        assets.find_asset("nothing.yaml")
