"""The unit for systemd in docs/hardening.md: systemd knows each of its lines."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hardening.md"


def test_systemd_understands_each_line_of_the_page(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("this system has no systemd")
    [text] = re.findall(r"^```ini\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert "NoNewPrivileges=yes" in text
    # It asks for programs and users of this machine too.
    text = text.replace("/opt/rushes/.venv/bin/python", sys.executable)
    text = text.replace("User=rushes\n", "User=root\n")
    unit = tmp_path / "rushes-worker.service"
    unit.write_text(text)

    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)

    said = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert said == []
    unit.write_text(text.replace("NoNewPrivileges", "NoNewPrivilege"))
    wrong = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)
    assert "NoNewPrivilege" in wrong.stdout + wrong.stderr
