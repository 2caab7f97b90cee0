"""The npm packages that tests need: installed once into this folder, from its lock file."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.services import missing

FOLDER = Path(__file__).parent


def node() -> str:
    """The node binary, with the packages installed beside these files."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        missing("Node with npm")
    with (FOLDER / "package.json").open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        _install(npm)
    return found


def _install(npm: str) -> None:
    lock = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    ready = FOLDER / "node_modules" / ".ready"
    if not ready.is_file() or ready.read_text() != lock:
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
        ready.write_text(lock)


def bundle(entry: str, out: Path) -> str:
    """The script `entry` of this folder with all that it imports, for a page."""
    esbuild = [node(), str(FOLDER / "node_modules" / "esbuild" / "bin" / "esbuild")]
    options = ["--bundle", "--format=iife", f"--outfile={out}", "--log-level=error"]
    subprocess.run([*esbuild, entry, *options], cwd=FOLDER, check=True, env={**os.environ})
    return out.read_text()
