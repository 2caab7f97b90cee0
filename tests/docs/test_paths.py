"""Every file, module and heading that a page names exists, also after code has moved."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "protos/README.md", ROOT / "clients/python/README.md"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *READMES])
SOURCES = ("core", "server", "workers", "admin", "standalone", "clients", "protos", "bench")
FOLDERS = (*SOURCES, "tests", "docs", "requirements", ".ci", ".github")
# Endings of the files that people write, so a bare name with one is a file of the repository.
WRITTEN = (".py", ".md", ".proto", ".toml", ".yaml", ".lock", ".binpb")
# But these are made by a run of Rushes.
MADE_BY_A_RUN = {"write.lock"}
MODULE = re.compile(r"python -m ((?:core|server|workers|admin|standalone|bench|tests)[\w.]*)")
LINK = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def missing_files(text: str) -> list[str]:
    """The names in backticks that look like files of the repository and are none."""
    prose = re.sub(r"`{3}.*?`{3}", "", text, flags=re.DOTALL)
    words = (word for code in re.findall(r"`([^`]+)`", prose) for word in code.split())
    names = [word for word in words if re.fullmatch(r"[\w.*/-]+", word)]
    return [name for name in names if _looks_like_a_file(name) and not _is_there(name)]


def _in_a_folder(name: str) -> bool:
    return name.startswith(tuple(f"{folder}/" for folder in FOLDERS))


def _looks_like_a_file(name: str) -> bool:
    is_ours = name.endswith(WRITTEN) and name not in MADE_BY_A_RUN
    return _in_a_folder(name) or (is_ours and not name.startswith(("/", ".")))


def _is_there(name: str) -> bool:
    found = any(True for _ in ROOT.glob(name))
    return found or (not _in_a_folder(name) and any(True for _ in _anywhere(name)))


def _anywhere(name: str) -> Iterator[Path]:
    """Where a name without its folder may be: a sentence before it names the folder."""
    for folder in FOLDERS:
        yield from (ROOT / folder).glob(f"**/{name}")


def missing_modules(text: str) -> list[str]:
    """The modules that the text runs with `python -m` and that are not there."""
    return [name for name in MODULE.findall(text) if not _is_module(ROOT / name.replace(".", "/"))]


def _is_module(path: Path) -> bool:
    return path.with_name(f"{path.name}.py").exists() or (path / "__main__.py").exists()


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


@each_page
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    assert missing_files(page.read_text()) == []


@each_page
def test_every_module_that_a_page_runs_exists(page: Path) -> None:
    assert missing_modules(page.read_text()) == []


@each_page
def test_every_anchor_that_a_page_links_to_is_a_heading(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        if "://" not in target:
            linked = page.parent / target if target else page
            assert anchor in anchors(linked.read_text()), f"{target}#{anchor}"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`core/nowhere.py` and `core/jobs.py`", ["core/nowhere.py"]),
        ("`workers/app.py`, then `nowhere.py` and `actors.py`", ["nowhere.py"]),
        ("`tests/nowhere/` and `tests/docs/`", ["tests/nowhere/"]),
        ("`requirements/*.lock` and `requirements/*.txt`", ["requirements/*.txt"]),
        ("`python docs/nowhere.py` and `python docs/images/record.py`", ["docs/nowhere.py"]),
        ("`run/standalone.json`, `/healthz`, `name=value`", []),
    ],
)
def test_a_file_that_is_not_there_is_found(text: str, missing: list[str]) -> None:
    assert missing_files(text) == missing


def test_a_module_that_is_not_there_is_found() -> None:
    assert missing_modules("python -m bench.nowhere, python -m bench.start") == ["bench.nowhere"]
