"""The receiving side of the notify protocol, with the sending side of `core`."""

from contextlib import closing
from pathlib import Path

import pytest

from core.process import systemd
from standalone.systemd import NotifySocket


def test_what_a_child_says_arrives_in_order_of_no_importance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(NotifySocket(tmp_path / "s")) as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", str(heard.path))

        systemd.ready()
        systemd.alive()

        assert heard.read() == {"READY=1", "WATCHDOG=1"}
        assert heard.read() == set()


def test_several_states_in_one_message_are_all_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(NotifySocket(tmp_path / "s")) as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", str(heard.path))

        systemd._send("READY=1\nSTATUS=serving")

        assert "READY=1" in heard.read()


def test_a_file_that_a_killed_run_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "s").touch()

    with closing(NotifySocket(tmp_path / "s")) as heard:
        assert heard.read() == set()

    assert not (tmp_path / "s").exists()
