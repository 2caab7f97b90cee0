"""Each test that the pages on security name is there, and each threat and requirement has a row."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["security", "asvs", "hardening"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
THREATS = [f"S{number}" for number in range(1, 24)]
# Level 1 and 2 of OWASP ASVS 5.0.0: how many requirements each chapter that we look at has.
REQUIREMENTS = {
    **{"V1": 27, "V2": 11, "V4": 10, "V5": 9, "V6": 35, "V7": 18, "V8": 7, "V9": 7},
    **{"V11": 14, "V12": 9, "V13": 13, "V14": 9, "V15": 13, "V16": 16},
}
VERDICTS = ("met", "partly", "not met", "not applicable", "yours")


def read(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text()


@cache
def collected_from(file: str) -> frozenset[str]:
    """The names that pytest collects from the file: functions at its top, and in its classes."""
    path = ROOT / file
    if not (path.is_file() and path.name.startswith("test_")):
        return frozenset()
    tree = ast.parse(path.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in classes if node.name.startswith("Test"))]
    functions = (node for body in bodies for node in body)
    return frozenset(
        node.name
        for node in functions
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    )


def missing_tests(text: str) -> list[str]:
    """The tests that the text names and that pytest does not find."""
    return [
        f"{file}::{name}" for file, name in NAMED.findall(text) if name not in collected_from(file)
    ]


def rows(text: str) -> list[list[str]]:
    lines = (line for line in text.splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_each_test_that_the_page_names_is_there(page: str) -> None:
    assert NAMED.findall(read(page))
    assert missing_tests(read(page)) == []


@pytest.mark.parametrize(
    "text",
    [
        "`tests/docs/test_security.py::test_that_nobody_wrote`",
        "`tests/docs/test_nowhere.py::test_each_test_that_the_page_names_is_there`",
        "`tests/docs/test_security.py::missing_tests`",
        "`tests/docs/test_security.py::rows`",
    ],
)
def test_a_test_that_is_not_there_is_found(text: str) -> None:
    assert missing_tests(text)


def test_each_threat_has_a_row_with_a_test_or_says_that_there_is_none() -> None:
    section = read("security").partition("## Threats\n")[2].partition("\n## ")[0]
    found = {cells[0]: cells for cells in rows(section)}

    assert [name for name in found if re.fullmatch(r"S\d+", name)] == THREATS
    for name in THREATS:
        assert NAMED.search(found[name][-1]) or "none" in found[name][-1], name


def test_each_requirement_has_one_row_with_a_verdict() -> None:
    found = [cells for cells in rows(read("asvs")) if re.match(r"V?\d+\.\d+\.\d+$", cells[0])]
    numbers = [cells[0] for cells in found]

    assert len(numbers) == len(set(numbers))
    for chapter, count in REQUIREMENTS.items():
        mine = [number for number in numbers if number.startswith(f"{chapter}.")]
        assert len(mine) == count, chapter
    for cells in found:
        assert cells[1] in ("1", "2"), cells
        assert cells[3].startswith(VERDICTS), cells


def test_what_is_met_names_a_test_or_a_place() -> None:
    for cells in rows(read("asvs")):
        if re.match(r"V\d", cells[0]) and cells[3].startswith(("met", "partly")):
            assert "`" in cells[-1] or "](" in cells[-1], cells


def test_what_the_page_counts_is_what_its_rows_say() -> None:
    text = read("asvs")
    counted = dict(re.findall(r"^\| ([\w ]+) \| (\d+) \|$", text, re.MULTILINE))
    verdicts = [cells[3] for cells in rows(text) if re.match(r"V\d+\.\d+\.\d+$", cells[0])]

    assert counted == {
        verdict: str(sum(said.partition(":")[0] == verdict for said in verdicts))
        for verdict in VERDICTS
    }
