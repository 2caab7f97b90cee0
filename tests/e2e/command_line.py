"""`rushes` as a process in a folder of its own, as a person types it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60.0


@dataclass(frozen=True)
class Result:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """The cells of a table, as a script gets it."""
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass(frozen=True)
class CommandLine:
    """Called with arguments; keywords are more variables."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, **more: str) -> Result:
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=SECONDS)
        return Result(process.returncode, out, err)

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("rushes")), *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
