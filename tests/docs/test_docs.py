"""Docs and code say the same: settings, errors, states, calls, targets, links, words."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from google.api import annotations_pb2  # type: ignore[import-untyped]

import rushes
from core.jobs import MOVES
from rushes.cli.app import app
from rushes.v1.error_reason_pb2 import ErrorReason
from server.interceptors.boundary import CODES
from server.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
READMES = [ROOT / "protos/README.md", ROOT / "clients/python/README.md"]
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *READMES])
SOURCES = ("core", "server", "workers", "admin", "standalone", "clients/python/rushes")
# As google/rpc/code.proto pairs them, and Envoy does.
HTTP_STATUSES = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 400,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
}
# Words that mean something else here, or nothing: see docs/glossary.md.
FORBIDDEN = (
    r"\b\w*(?:task_id|job_status|jobstatus|subscriber|subscription|created_at|updated_at)\w*"
)


def read(page: str) -> str:
    return (ROOT / page).read_text()


def rows_of_errors() -> dict[str, list[str]]:
    rows = (line for line in read("docs/errors.md").splitlines() if line.startswith("| `"))
    cells = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    return {first.strip("`"): rest for first, *rest in cells}


def test_the_settings_page_holds_the_table_that_the_code_prints() -> None:
    command = [sys.executable, "-m", "core.process.settings"]
    table = subprocess.check_output(command, text=True, cwd=ROOT).strip()

    assert table in read("docs/settings.md")


def test_every_error_reason_is_listed_and_no_other() -> None:
    reasons = {name for name, number in ErrorReason.items() if number}

    assert rows_of_errors().keys() == reasons


@pytest.mark.parametrize("reason", list(CODES))
def test_an_error_is_listed_with_the_codes_that_callers_get(reason: str) -> None:
    code = CODES[reason].name  # type: ignore[index]

    assert rows_of_errors()[str(reason)][:2] == [code, str(HTTP_STATUSES[code])]


def test_the_metadata_keys_are_those_of_the_contract() -> None:
    proto = read("protos/rushes/v1/error_reason.proto")
    rows = rows_of_errors()
    for comment, reason in re.findall(r"// ([^\n]*)\n  ([A-Z_]+) = \d+;", proto):
        last = re.split(r"\. |: ", f"{comment}.")
        keys = next((p for p in last[::-1] if re.fullmatch(r"[a-z_]+(, [a-z_]+)*\.?", p)), "")
        for key in filter(None, keys.rstrip(".").split(", ")):
            assert any(f"`{key}`" in cell for cell in rows[reason]), (reason, key)


def test_the_states_diagram_draws_the_table_of_moves() -> None:
    arrows = re.findall(r"^ +(\S+) --> (\S+): (\S+)$", read("docs/states.md"), re.MULTILINE)
    moves = {(before or "[*]", after, event) for (before, event), after in MOVES.items()}

    assert set(arrows) == moves
    assert len(arrows) == len(moves)


def test_every_call_is_listed_with_its_rest_route_and_no_other() -> None:
    listed = re.findall(r"^\| (\w+) \| `(\w+) (\S+)`", read("docs/calls.md"), re.MULTILINE)
    methods = [method for service in SERVICES for method in service.descriptor.methods]
    rules = [
        (method.name, method.GetOptions().Extensions[annotations_pb2.http]) for method in methods
    ]
    routes = [(name, rule.WhichOneof("pattern") or "", rule) for name, rule in rules]

    assert listed == [(name, verb.upper(), getattr(rule, verb)) for name, verb, rule in routes]


def test_the_clients_methods_and_commands_that_are_listed_exist() -> None:
    command_line: Any = typer.main.get_command(app)
    for row in re.findall(
        r"^\| \w+ \| `[^|]*\|([^|]*)\|([^|]*)\|", read("docs/calls.md"), re.MULTILINE
    ):
        methods, named = (re.findall(r"`(\w+)", cell) for cell in row)

        assert [name for name in methods if not hasattr(rushes.Client, name)] == []
        assert [name for name in named if name not in command_line.commands] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = set()
    for page in PAGES:
        code = re.findall(r"`{3}.*?`{3}|`[^`]+`", page.read_text(), re.DOTALL)
        named |= set(re.findall(r"\bmake ([a-z][a-z-]*)", "\n".join(code)))

    assert {"up", "test"} <= named
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    settings = read("docs/settings.md")

    for name in set(re.findall(r"\bRUSHES_[A-Z_]+\b", text)) - {
        "RUSHES_SERVER",
        "RUSHES_USER",
        "RUSHES_TOKEN",
        "RUSHES_TOKEN_FILE",
    }:
        assert f"`{name}`" in settings, name


def test_the_code_uses_the_words_of_the_glossary() -> None:
    files = (file for folder in SOURCES for file in (ROOT / folder).rglob("*.py"))
    found = {
        f"{file.relative_to(ROOT)}: {word}"
        for file in files
        for word in re.findall(FORBIDDEN, file.read_text(), re.IGNORECASE)
    }

    assert found == set()
