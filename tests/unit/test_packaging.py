"""What the wheel carries: code, and the data files of a run without a repository."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from standalone import assets

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_has_all_that_a_run_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        data = assets.PLACES[1].relative_to(ROOT)
        for asset in ("envoy.yaml", "protos/rushes.binpb"):
            assert archive.read(f"{data}/{asset}") == (ROOT / asset).read_bytes()
    packages = ("core", "server", "workers", "admin", "standalone")
    files = [path for package in packages for path in (ROOT / package).rglob("*.*")]
    code = {str(path.relative_to(ROOT)) for path in files if path.suffix in (".py", ".toml")}
    assert code <= names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == set(packages)
