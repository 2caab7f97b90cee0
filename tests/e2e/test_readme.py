"""The README's commands, pasted in order as they stand."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.running import Running, environment

ROOT = Path(__file__).resolve().parents[2]
QUICK_START = (ROOT / "README.md").read_text().partition("## Quick start")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", QUICK_START, re.DOTALL | re.MULTILINE)
# Each command that fails, with its exit code; a failure ends nothing, as on a terminal.
TRAP = "trap 'echo \"failed $?: $BASH_COMMAND\"' ERR\n"


def script(port: int) -> str:
    """All blocks of the quick start but `make up`, as one script for the address of a run."""
    parts = [TRAP]
    for language, text in BLOCKS:
        if language == "python":
            parts.append(f".venv/bin/python - << 'PYTHON'\n{text}PYTHON\n")
        elif not language and text != "make up\n":
            parts.append(text)
    return "\n".join(parts).replace("http://localhost:8080", f"http://localhost:{port}")


@pytest.mark.timeout(300)
def test_the_quick_start_does_what_it_says(run: Running, tmp_path: Path) -> None:
    # Given the folder of the README with a run in it
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")

    # When every block is pasted
    done = subprocess.run(
        ["bash"],
        input=script(run.port),
        cwd=tmp_path,
        env=environment(run.data),
        capture_output=True,
        text=True,
        timeout=280,
    )

    # Then only the video that exceeds the budget is refused, and everything else is done
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed ")]
    refused = '.venv/bin/rushes generate video "a boat" --model simulator-video'
    assert failed == [f"failed 5: {refused}"], done.stderr
    assert "would exceed your daily budget" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {
        "waves.mp4",
        "boat.png",
        "lighthouse.mp4",
        "dawn.mp4",
    }
    # And the watch began before its job ended: a watch that begins later does not show the job
    events = [line for line in done.stdout.splitlines() if line.startswith("data: ")]
    assert any('"type":"SUCCEEDED"' in event.replace(" ", "") for event in events)
