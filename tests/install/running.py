"""`make up` as a person runs it, with one job."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.install.machines import Machine
from tests.ports import free_port
from tests.services import wait_for

READY_SECONDS = 300.0
END_SECONDS = 30.0


def a_job_succeeds(machine: Machine) -> None:
    """Starts everything, makes a picture by the command line, and ends everything with Ctrl-C."""
    with up(machine) as printed:
        wait_for(lambda: "ready http://" in printed.read_text(), "ready", READY_SECONDS)
        made = machine.run(".venv/bin/rushes", "generate", "image", "a boat", "--out", "boat.png")

    assert made.code == 0, made.printed
    assert (machine.tree / "boat.png").read_bytes().startswith(b"\x89PNG")


@contextmanager
def up(machine: Machine) -> Iterator[Path]:
    """`make up` in a process group of its own; the file of what it prints."""
    printed = machine.tree / "up.log"
    with printed.open("wb") as file:
        process = subprocess.Popen(
            ["make", "up", f"PYTHON={machine.python}"],
            cwd=machine.tree,
            env=machine.variables(RUSHES_PORT=str(free_port())),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield printed
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(END_SECONDS)
