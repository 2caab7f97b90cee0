"""Large references cost a worker no more memory than small ones."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from core.decoding import Limits, close, shrink
from core.errors import ImageRefused
from tests.e2e.processes import linux_only

LIMITS = Limits(max_pixels=25_000_000, cpu_seconds=20)
MOST_MIB = 150
# Prints by how many MiB a worker's most memory grows with four references of 25 million pixels.
RENDER = """
import dataclasses, pathlib, sys
from core.specs import ImageSpec
from tests.making import job_value
from workers.providers.builtin.provider import BuiltinProvider

class Unwatched:
    def stopping(self): return False
    def report(self, *_): return

def most():
    # Not ru_maxrss, which begins at that of the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024

def render(*references):
    spec = ImageSpec(
        prompt="a boat", model="builtin-image", aspect_ratio="1:1", size="512x512",
        references=references,
    )
    job = dataclasses.replace(job_value("alice"), spec=spec)
    read = lambda name: pathlib.Path(name).read_bytes()
    BuiltinProvider().fetch(job, "", 0, pathlib.Path(sys.argv[2]), read, Unwatched())

render()
before = most()
render(*[sys.argv[1]] * 4)
print(most() - before)
"""


def picture(kind: str, width: int, height: int, **options: object) -> bytes:
    output = BytesIO()
    Image.new("RGB", (width, height), "red").save(output, kind, **options)
    return output.getvalue()


@linux_only
@pytest.mark.timeout(120)
def test_a_worker_stays_small_with_large_references(tmp_path: Path) -> None:
    large = tmp_path / "large.webp"
    large.write_bytes(picture("WEBP", 5000, 5000, lossless=True))

    done = subprocess.run(
        [sys.executable, "-c", RENDER, str(large), str(tmp_path / "made.png")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST_MIB, done.stdout


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_large_image_comes_back_shrunk(kind: str) -> None:
    made = Image.open(BytesIO(shrink(picture(kind, 3000, 1500), "alice", LIMITS, 600)))
    small = Image.open(BytesIO(shrink(picture(kind, 300, 150), "alice", LIMITS, 600)))
    close()

    assert (made.format, made.size, small.size) == ("PNG", (600, 300), (300, 150))
    assert made.mode == "RGB"


def test_an_image_beyond_the_limits_is_not_shrunk() -> None:
    with pytest.raises(ImageRefused):
        shrink(picture("PNG", 5001, 5000), "alice", LIMITS, 600)
    close()
