"""What a process says to whoever started it, as sd_notify(3) has it."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.process import systemd

SENTENCES = {
    systemd.ready: b"READY=1",
    systemd.alive: b"WATCHDOG=1",
    systemd.stopping: b"STOPPING=1",
}


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listens where NOTIFY_SOCKET says."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener


def test_each_sentence_arrives_alone(supervisor: socket.socket) -> None:
    for say, sentence in SENTENCES.items():
        say()
        assert supervisor.recv(100) == sentence


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = f"rushes-test-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        systemd.ready()
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("value", [None, "", "/nowhere/at/all", "/" + "x" * 200])
def test_without_a_supervisor_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if value is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", value)
    for say in SENTENCES:
        say()


def test_a_supervisor_that_does_not_read_does_not_stop_us(supervisor: socket.socket) -> None:
    for _ in range(2000):
        systemd.alive()

    # Then what had room is there, and nothing else
    supervisor.setblocking(False)
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(supervisor.recv(100))
    assert 0 < len(heard) < 2000
    assert set(heard) == {b"WATCHDOG=1"}
