"""`rushes` as a process, for a running server."""

import os
import subprocess
import sys
from pathlib import Path

from tests.house import House

DEADLINE_SECONDS = 60


def run(house: House, home: Path, *arguments: str, user_id: str = "alice") -> tuple[int, str, str]:
    """The exit code of `rushes`, what it prints and what it says beside."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "COLUMNS": "100",
        "PYTHONUTF8": "1",
        "RUSHES_SERVER": f"localhost:{house.app.port}",
        "RUSHES_TOKEN": house.token(user_id),
    }
    done = subprocess.run(
        [sys.executable, "-m", "rushes.cli", *arguments],
        cwd=home,
        env=known | ours,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
