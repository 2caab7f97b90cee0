"""Folders that one process holds, and names that are synced."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.process.disk import FolderHeld, held, sync

HOLD = """
import sys
from pathlib import Path
from core.process.disk import held
with held(Path(sys.argv[1]), "a test"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_hears_who_holds_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()

        with pytest.raises(FolderHeld) as refused, held(tmp_path, "mine"):
            pass

        other.kill()
    assert refused.value.holder == f"process {other.pid}, a test"


def test_a_holder_that_was_killed_holds_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()

    with held(tmp_path, "mine"):
        assert (tmp_path / "lock").exists()


def test_a_holder_that_says_nothing_readable_is_another_process(tmp_path: Path) -> None:
    with held(tmp_path, "mine"):
        (tmp_path / "lock").write_text("garbage")

        with pytest.raises(FolderHeld) as refused, held(tmp_path, "mine too"):
            pass

    assert refused.value.holder == "another process"


def test_a_path_that_is_not_there_can_not_be_synced(tmp_path: Path) -> None:
    sync(tmp_path)

    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "gone")
