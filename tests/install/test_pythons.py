"""Every supported Python gets wheels for every lock; those of this machine run everything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.install.conftest import NewMachine
from tests.install.machines import ROOT, pythons, this_python
from tests.install.running import a_job_succeeds

pytestmark = [pytest.mark.install, pytest.mark.timeout(900)]
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
# What `fuzz` installs is optional, and for Linux on x86-64 alone.
LOCKS = sorted(path.stem for path in (ROOT / "requirements").glob("*.lock") if path.stem != "fuzz")
UV = Path(sys.executable).with_name("uv")
# The oldest systems that have a wheel of everything; Envoy asks for the newest of them.
PLATFORMS = ("x86_64-manylinux_2_31", "aarch64-manylinux_2_31", "aarch64-apple-darwin")
OLDEST_MACOS = {"MACOSX_DEPLOYMENT_TARGET": "15.0"}
IMPORT_ALL = """
import importlib, pkgutil
import admin, core, rushes, server, standalone, workers
for package in (admin, core, rushes, server, standalone, workers):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", SUPPORTED)
def test_a_lock_has_wheels_for(python: str, lock: str, platform: str, tmp_path: Path) -> None:
    command = [str(UV), "pip", "install", "--dry-run", "--target", str(tmp_path), "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--python-version", python]
    command += ["--python-platform", platform, "-r", f"requirements/{lock}.lock"]

    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **OLDEST_MACOS},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("python", [name for name in pythons() if name != this_python()])
def test_everything_runs_with(python: str, new_machine: NewMachine) -> None:
    machine = new_machine(python)
    machine.environment["PIP_COMPILE"] = "0"  # a third of the time, and nothing else

    a_job_succeeds(machine)

    imported = machine.run(".venv/bin/python", "-W", "error", "-c", IMPORT_ALL)
    assert imported.code == 0, imported.printed
