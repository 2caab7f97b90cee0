"""The list of licences and the bill of materials name everything that is shipped."""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / "requirements" / f"{name}.lock" for name in ("app", "valkey", "edge")]


def shipped(what: str) -> str:
    return subprocess.check_output([ROOT / "requirements/shipped", what], text=True, cwd=ROOT)


def locked() -> dict[str, set[str]]:
    """The versions of each package in the locks."""
    found: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE):
            found.setdefault(name, set()).add(version)
    return found


def test_the_list_has_every_package_with_the_licence_that_it_says() -> None:
    page = (ROOT / "docs/licences.md").read_text()
    rows = shipped("licences").splitlines()

    # A package of another platform says nothing here.
    assert [row for row in rows if "other platforms" not in row and row not in page] == []
    assert [name for name in locked() if f"\n| {name} |" not in page] == []


def test_the_bill_has_every_version_with_hashes() -> None:
    bill = json.loads(shipped("sbom"))

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    parts = {(part["name"], part["version"]) for part in bill["components"]}
    assert parts == {(name, one) for name, versions in locked().items() for one in versions}
    for part in bill["components"]:
        assert part["hashes"], part["name"]
        assert all(re.fullmatch("[0-9a-f]{64}", one["content"]) for one in part["hashes"])
