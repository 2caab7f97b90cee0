"""`rushes-admin` as a program, and what the docs say of it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from admin.cli import app
from admin.tables import age, print_table

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_it_runs_as_a_module_and_names_its_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "admin", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    for name in ("backup", "restore", "budget", "reconcile", "epoch"):
        assert name in done.stdout


def test_every_command_that_the_docs_name_exists() -> None:
    root: Any = typer.main.get_command(app)
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"rushes-admin ([a-z]+)(?: ([a-z]+)\b)?", text)) - {
        ("works", "straight")
    }
    assert ("budget", "set") in named
    for first, second in named:
        command = root.commands[first]
        assert not hasattr(command, "commands") or not second or second in command.commands


@pytest.mark.parametrize(
    ("arguments", "code"), [(("budget", "sett"), 2), (("nothing",), 2), (("restore",), 2)]
)
def test_wrong_usage_is_code_2_and_one_sentence(place: Any, arguments: Any, code: int) -> None:
    said = place.run(*arguments)
    assert (said.code, said.out) == (code, "")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0s"), (999, "0s"), (61_000, "1m 1s"), (3_600_000, "1h 0m"), (90_061_000, "1d 1h")],
)
def test_an_age_has_its_two_largest_units(ms: int, text: str) -> None:
    assert age(ms) == text


def test_columns_are_as_wide_as_they_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "LONG"), [("wide", "x"), ("\x1b[1m", "")])
    assert capsys.readouterr().out == "A     LONG\nwide  x\n\N{REPLACEMENT CHARACTER}[1m\n"
