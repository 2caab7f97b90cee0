"""`rushes doctor` and `rushes logs`: handed to what the server's dist has, refused without it."""

import json
import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from rushes.cli import machine
from rushes.cli.app import run
from tests.unit.clients.conftest import CommandLine
from tests.unit.clients.test_cli_sign_in import a_standalone

LINE = {"event": "worker_started", "level": "info", "timestamp": "2026-11-21T12:00:01Z"}


def a_log(folder: Path) -> None:
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "worker-1.log").write_text(json.dumps(LINE) + "\n")


def test_the_logs_of_the_nearest_data_folder_are_shown(alone: CommandLine) -> None:
    a_log(Path(alone.environment["RUSHES_DATA_DIR"]))

    done = alone("logs", "worker-1", "--lines", "5")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("worker-1 2026-11-21")
    assert done.out.endswith("worker_started\n")
    assert json.loads(alone("logs", "--json").out) == LINE


def test_a_log_that_is_not_there_is_code_2_and_no_folder_is_code_4(alone: CommandLine) -> None:
    missing = alone("logs")
    assert (missing.code, missing.out) == (4, "")
    assert "no data folder" in missing.err

    a_log(Path(alone.environment["RUSHES_DATA_DIR"]))
    other = alone("logs", "worker-9")
    assert (other.code, other.out) == (2, "")
    assert "worker-1" in other.err


def test_the_doctor_looks_at_the_run_that_is_found(alone: CommandLine) -> None:
    data = Path(alone.environment["RUSHES_DATA_DIR"])
    a_standalone(data, "localhost:1", os.getpid())

    done = alone("doctor", "--json")

    assert done.code == 1
    checks = {check["check"]: check for check in json.loads(done.out)["checks"]}
    assert f"process {os.getpid()}" in checks["settings"]["text"]
    assert checks["edge"]["ok"] is False


def in_process(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint, command: str) -> int:
    def found(group: str, name: str) -> list[EntryPoint]:
        return [point for point in points if (point.group, point.name) == (group, name)]

    monkeypatch.setattr(machine, "entry_points", found)
    monkeypatch.setattr(sys, "argv", ["rushes", command])
    return run()


@pytest.mark.parametrize("command", ["doctor", "logs"])
def test_without_the_server_it_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert in_process(monkeypatch, command=command) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"`rushes {command}` needs rushes-server on this machine; only the client is here.\n"
    )


def test_a_server_that_can_not_be_loaded_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    point = EntryPoint("doctor", "no_such_package.doctor:run", machine.GROUP)

    assert in_process(monkeypatch, point, command="doctor") == 2

    assert "can't be loaded" in capsys.readouterr().err


def test_the_exit_code_is_the_doctors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[Any] = []

    def examine(*values: Any) -> int:
        given.extend(values)
        return 1

    monkeypatch.setenv("RUSHES_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(machine, "_installed", lambda _: examine)

    assert in_process(monkeypatch, command="doctor") == 1
    assert given == [None, None, False]
