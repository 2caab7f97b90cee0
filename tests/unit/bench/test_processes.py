"""What /proc says of CPU and memory, and processes that answer in lines of JSON."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.harness.processes import (
    TICKS,
    Child,
    Died,
    cpu_seconds,
    own_cpu_seconds,
    resident_kib,
)

ECHO = "import sys\nprint('{}', flush=True)\nfor line in sys.stdin: print(line, end='', flush=True)"


def process(proc: Path, pid: int, ended: tuple[int, int], children: str = "") -> None:
    """A process with its ended children's user and system time."""
    folder = proc / str(pid)
    (folder / "task" / str(pid)).mkdir(parents=True)
    times = " ".join(map(str, (77, 77, *ended)))
    # The name may hold spaces and parentheses.
    (folder / "stat").write_text(f"{pid} (a) (name) S 1 1 1 0 -1 4194560 1 2 3 4 {times} 20 0 1")
    (folder / "task" / str(pid) / "children").write_text(children)


def test_cpu_is_of_the_process_its_children_and_those_that_ended(tmp_path: Path) -> None:
    process(tmp_path, 1, (3, 4), children="2 3 ")
    process(tmp_path, 2, (0, 0), children="4")
    process(tmp_path, 3, (0, 20))
    process(tmp_path, 4, (0, 0))
    own = {1: 0.001, 2: 10.0, 3: 200.0, 4: 3000.0}
    found = cpu_seconds(1, tmp_path, own.__getitem__)
    assert found == pytest.approx(3210.001 + 27 / TICKS)


def test_cpu_is_counted_finer_than_the_ticks_of_proc() -> None:
    begun, ended = time.process_time(), 0.0
    while ended < begun + 0.5 / TICKS:
        ended = time.process_time()
    before = own_cpu_seconds(os.getpid())
    after = time.process_time()
    assert ended <= before <= after


def test_a_process_that_is_gone_has_no_cpu() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(ProcessLookupError):
        own_cpu_seconds(gone.pid)


def test_resident_memory_and_its_peak_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t  300 kB\n")
    assert resident_kib(7, proc=tmp_path) == 300
    assert resident_kib(7, "VmHWM", tmp_path) == 900


def test_a_child_answers_each_command() -> None:
    child = Child([sys.executable, "-c", ECHO])
    try:
        assert child.hello() == {}
        assert child.ask(kind="progress", rate=5) == {"kind": "progress", "rate": 5}
    finally:
        child.end()
    assert child.process.returncode == 0


def test_a_child_that_ends_without_an_answer_is_an_error() -> None:
    child = Child([sys.executable, "-c", "print('{}')"])
    try:
        child.hello()
        with pytest.raises(Died, match="no answer"):
            child._line(20)
    finally:
        child.end()
