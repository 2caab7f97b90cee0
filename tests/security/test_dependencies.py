"""What is installed is what the locks name, byte for byte, in versions without known holes."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
NPM = [ROOT / "tests/node/package-lock.json", ROOT / "bench/peers/package-lock.json"]
# The first versions without a hole that would matter here.
FLOORS = {
    "protobuf": (6, 33, 5),  # CVE-2026-0994: json_format and nested Any
    "pyjwt": (2, 12),  # CVE-2026-32597
    "pyasn1": (0, 6, 3),  # CVE-2026-30922
}


def entries(lock: Path) -> list[str]:
    """Each requirement with all of its lines."""
    text = re.sub(r"\\\n", " ", lock.read_text())
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def versions(lock: Path, name: str) -> list[tuple[int, ...]]:
    found = re.findall(rf"^{name}==([\d.]+)", lock.read_text(), re.MULTILINE | re.IGNORECASE)
    return [tuple(map(int, version.rstrip(".").split("."))) for version in found]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_package_of_a_lock_has_one_version_and_its_hashes(lock: Path) -> None:
    assert entries(lock)
    for entry in entries(lock):
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==[\w.!+-]+ ", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


@pytest.mark.parametrize("name", FLOORS)
def test_no_lock_has_a_version_with_a_known_hole(name: str) -> None:
    found = {lock.name: versions(lock, name) for lock in LOCKS}

    assert found["app.lock"], name
    for lock, present in found.items():
        assert all(version >= FLOORS[name] for version in present), (lock, present)


@pytest.mark.parametrize("lock", NPM, ids=lambda lock: lock.parent.name)
def test_each_package_of_npm_has_its_hash(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]

    assert len(packages) > 1
    for name, package in packages.items():
        assert not name or package["integrity"].startswith("sha512-"), name


def test_whatever_installs_asks_for_hashes_and_wheels_alone() -> None:
    script = (ROOT / "requirements/install").read_text()

    assert "--require-hashes --only-binary :all:" in script
    assert "--no-deps" in script
    assert "npm ci" in (ROOT / "bench/peers/setup").read_text()
