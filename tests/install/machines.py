"""A machine as a new user has it: a copy of the tree, an empty home, and a Python with some pip."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LIST = """
import importlib.metadata as m, json
print(json.dumps({d.metadata["Name"]: d.version for d in m.distributions()}))
"""


@dataclass(frozen=True)
class Done:
    """What a finished command left."""

    code: int
    printed: str


@dataclass(frozen=True)
class Machine:
    """A copy of the tree in a folder; `python` makes its environments."""

    tree: Path
    python: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str | Path, **more: str) -> Done:
        """Runs a command in the tree to its end; keywords are more variables."""
        done = subprocess.run(
            command,
            cwd=self.tree,
            env=self.variables(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def make(self, *targets: str, **more: str) -> Done:
        return self.run("make", f"PYTHON={self.python}", *targets, **more)

    def install(self, environment: Path | str, *words: str, **more: str) -> Done:
        """What the Makefile runs to install something."""
        more = {"PYTHON": self.python, **more}
        return self.run("requirements/install", str(environment), *words, **more)

    def new_environment(self, environment: Path | str, pip: str = "") -> Path:
        """A virtual environment with nothing but pip, of a version like `==23.0.1`; its Python."""
        python = self.tree / environment / "bin" / "python"
        self._must(self.python, "-m", "venv", environment)
        if pip:
            plain = {"PIP_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "")}
            self._must(python, "-m", "pip", "install", "--upgrade", f"pip{pip}", **plain)
        return python

    def installed(self, environment: Path | str) -> dict[str, str]:
        """The versions of the packages in an environment."""
        listed = json.loads(self._must(self.tree / environment / "bin/python", "-c", LIST))
        return {canonicalize_name(name): version for name, version in listed.items()}

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of a process on this machine."""
        drop = ("RUSHES_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "GRPC_ENABLE")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        return {**clean, **self.environment, **more}

    def _must(self, *command: str | Path, **more: str) -> str:
        done = self.run(*command, **more)
        assert done.code == 0, done.printed
        return done.printed


def copy_tree(to: Path) -> Path:
    """Copies the files of the repository as they are in the work tree, and nothing ignored."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def pythons() -> list[str]:
    """The supported Pythons that really run on this machine, each once.

    They are looked for on PATH and in the folder of pyenv, whose shims may not run.
    """
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders += sorted(pyenv.glob("versions/*/bin"))
    names = (folder / f"python3.{minor}" for folder in folders for minor in (11, 12, 13, 14))
    found = (_python(name) for name in names)
    return sorted({python for python in found if python})


def this_python() -> str:
    """The Python that the environment of the tests was made of."""
    return os.path.realpath(sys.executable)


def _python(name: Path) -> str:
    """The Python behind a name; empty where it does not run or is a virtual environment's own."""
    script = "import os, sys, venv, ensurepip; "
    script += "print(os.path.realpath(sys.executable) if sys.prefix == sys.base_prefix else '')"
    try:
        done = subprocess.run([name, "-c", script], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
