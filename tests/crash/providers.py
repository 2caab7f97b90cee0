"""The fakes as processes of their own, beside an installation that pays them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.crash.history import Line
from tests.fakes.installed import Addresses, variables
from tests.fakes.ledger import read_ledger

NAMES = ("gemini", "vertex", "openai")
# As they answer, so that submits of unknown outcome are many.
LATE_SECONDS = 4.0
SUBMIT_SECONDS = 2.0


@dataclass(frozen=True)
class Shops:
    """Where everything is bought: `env` is what an installation must be told of it."""

    folder: Path
    env: dict[str, str]

    def paid(self, name: str) -> list[Line]:
        """What the provider of that name accepted, as the checker reads the simulator's ledger.

        What it charges is not in there; the books are checked with the simulator.
        """
        lines = read_ledger(self._ledger(name))
        return [
            {"kind": "ledger", **line, "job_id": line["key"].rpartition(".")[0], "micros": 0}
            for line in lines
            if line["event"] == "accepted"
        ]

    def _ledger(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"


@contextmanager
def open_shops(folder: Path) -> Iterator[Shops]:
    """All fakes, running; they are ended by this block alone."""
    folder.mkdir()
    running = {name: _start(name, folder) for name in NAMES}
    try:
        urls = {name: _address(process) for name, process in running.items()}
        told = variables(folder, Addresses(**urls, credentials=folder / "vertex-credentials.json"))
        limits = dict.fromkeys(
            ("RUSHES_SUBMIT_TIMEOUT_SECONDS", "RUSHES_SYNCHRONOUS_TIMEOUT_SECONDS"),
            str(SUBMIT_SECONDS),
        )
        yield Shops(folder, {**told, **limits})
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()


def _start(name: str, folder: Path) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        f"tests.fakes.{name}",
        "--ledger",
        str(folder / f"{name}.jsonl"),
    ]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [*command, "--late-seconds", str(LATE_SECONDS)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
