"""The start of a process: settings, errors in one sentence, and the signs of life."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import RushesError, SettingsInvalid, StorageFull, exit_code
from core.process import role
from core.process.role import run_role, serve_until, stop_signal
from core.process.settings import Settings


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the logs of this process alone; `test_telemetry` configures those of processes.

    A configured process keeps each logger as it is at its first line, with the level and the
    processors of that moment. In the tests that come later, `capture_logs` would miss lines.
    """
    monkeypatch.setattr(role, "configure_logging", lambda *_: None)


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Hears what the process says of itself."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_the_work_gets_the_settings_and_says_the_exit_code(tmp_path: Path) -> None:
    seen: list[Settings] = []
    assert run_role("test", lambda settings: seen.append(settings) or 7, data_dir=tmp_path) == 7
    assert seen[0].data_dir == tmp_path


@pytest.mark.parametrize("error", [SettingsInvalid("RUSHES_X is wrong."), StorageFull()])
def test_an_error_becomes_one_sentence_and_an_exit_code(
    tmp_path: Path, error: RushesError, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: Settings) -> int:
        raise error

    assert run_role("test", fails, data_dir=tmp_path) == exit_code(error)
    assert capsys.readouterr().err == f"rushes: {error.message}\n"


def test_bad_settings_end_the_process_before_its_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUSHES_WORKER_THREADS", "many")
    assert run_role("test", lambda _: pytest.fail("it began to work")) == 2
    assert "RUSHES_WORKER_THREADS" in capsys.readouterr().err


@pytest.mark.parametrize(("stops", "code"), [(True, 0), (False, 1)])
def test_a_process_says_that_it_serves_and_that_it_stops(
    supervisor: socket.socket, stops: bool, code: int
) -> None:
    stopped = threading.Event()
    if stops:
        stopped.set()
    assert serve_until(stopped, lambda: stops) == code
    assert [supervisor.recv(100) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.usefixtures("signals_as_before")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_the_end(number: signal.Signals) -> None:
    stopped = stop_signal()
    os.kill(os.getpid(), number)
    assert stopped.wait(20)
