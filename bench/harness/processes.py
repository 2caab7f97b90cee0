"""Processes of a bench: started, spoken to in lines of JSON, and their CPU and memory."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
ANSWER_SECONDS = 60.0
END_SECONDS = 10.0


class Died(RuntimeError):
    """A process of the bench ended, or did not answer in time."""


class Child:
    """A process that answers each line of JSON on its standard input with one on its output.

    It ends when its input does. Its first line, `hello`, says that it is ready.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)
        self._read = b""

    @property
    def pid(self) -> int:
        """The process."""
        return self.process.pid

    def hello(self, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
        """The first line."""
        return self._line(timeout)

    def ask(self, timeout: float = ANSWER_SECONDS, **command: Any) -> dict[str, Any]:
        """The answer to a command.

        Raises:
            Died: when none comes in time.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        return self._line(timeout)

    def end(self) -> None:
        """Closes its input and waits; kills it when it does not end by itself."""
        self._selector.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _line(self, seconds: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._read:
            left = deadline - time.monotonic()
            data = None
            if left > 0 and self._selector.select(left):
                data = self.process.stdout.read()
            if not data:
                raise Died(f"no answer from {' '.join(self.command)}")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this repository."""
    return [sys.executable, "-m", module, *arguments]


def own_cpu_seconds(pid: int) -> float:
    """User and system time of the process itself so far, also of its threads that ended.

    Raises:
        ProcessLookupError: when there is no such process.
    """
    try:
        # The clock of a process, as clock_getcpuclockid(3) makes it; /proc counts in 10 ms.
        return time.clock_gettime(~pid << 3 | 2)
    except OSError as error:
        raise ProcessLookupError(pid) from error


def cpu_seconds(
    pid: int, proc: Path = PROC, own: Callable[[int], float] = own_cpu_seconds
) -> float:
    """User and system time of the process and its children so far, also of those that ended."""
    fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    seconds = own(pid) + sum(int(fields[place]) for place in (13, 14)) / TICKS
    for child in (proc / str(pid) / "task" / str(pid) / "children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            seconds += cpu_seconds(int(child), proc, own)
    return seconds


def resident_kib(pid: int, name: str = "VmRSS", proc: Path = PROC) -> int:
    """Resident memory of the process; `VmHWM` is the most it ever had."""
    status = (proc / str(pid) / "status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])
