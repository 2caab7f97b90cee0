"""The client as a distribution of its own."""

import re
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import rushes.cli

CLIENT = Path(__file__).parents[3] / "clients" / "python"
DEPENDENCIES = {"grpcio", "protobuf", "googleapis-common-protos"}


def test_the_wheel_carries_its_readme_and_needs_three_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=CLIENT, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    needed = [text for text in metadata.get_all("Requires-Dist", []) if "extra" not in text]

    assert metadata.get_payload() == (CLIENT / "README.md").read_text()
    assert {re.split(r"[<>=]", text)[0] for text in needed} == DEPENDENCIES


def test_without_its_extra_the_command_line_says_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [name for name in sys.modules if name.startswith("rushes.cli.")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(SystemExit, match=r"pip install './clients/python\[cli\]'"):
        rushes.cli.main()
