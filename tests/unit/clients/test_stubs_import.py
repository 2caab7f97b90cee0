"""The committed stubs and the client import on both protobuf majors and on the oldest grpcio."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import missing

CLIENT = Path(__file__).parents[3] / "clients" / "python"
OLDEST = (
    "protobuf==6.33.5",
    "grpcio==1.76.0",
    "googleapis-common-protos==1.72.0",
    "typing_extensions==4.16.0",
)

ROUND_TRIP = """
import google.protobuf, grpc, sys
import rushes
from rushes.v1 import media_service_pb2, media_service_pb2_grpc
spec = rushes.video_spec("sea", duration=8, seed=7)
request = media_service_pb2.GenerateVideoRequest(spec=spec)
again = media_service_pb2.GenerateVideoRequest.FromString(request.SerializeToString())
assert again == request and again.spec.duration.seconds == 8
with rushes.Client("localhost:1", retry_for=0) as client:
    try:
        client.list_models()
    except rushes.Unavailable:
        print(google.protobuf.__version__, grpc.__version__)
"""


@pytest.fixture(scope="session")
def oldest_packages(request: pytest.FixtureRequest) -> Path:
    """A folder with the oldest supported packages, kept between runs."""
    assert request.config.cache is not None
    name = f"oldest-py{sys.version_info.major}{sys.version_info.minor}"
    folder = request.config.cache.mkdir(name)
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text() != "\n".join(OLDEST):
        install(folder)
        ready.write_text("\n".join(OLDEST))
    return folder


def install(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--upgrade", "--target", str(folder), *OLDEST]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    missing(f"a package index with the oldest packages ({done.stderr.strip()[-300:]})")


def round_trip(packages: Path) -> list[str]:
    """The versions of protobuf and grpcio that the client ran on, without any other package."""
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", ROUND_TRIP],
        env={"PYTHONPATH": f"{packages}{os.pathsep}{CLIENT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.timeout(300)
def test_they_import_on_protobuf_6_and_the_oldest_grpcio(oldest_packages: Path) -> None:
    assert round_trip(oldest_packages) == ["6.33.5", "1.76.0"]


def test_they_import_on_protobuf_7() -> None:
    installed = Path(pytest.__file__).parents[1]
    protobuf, _ = round_trip(installed)
    assert protobuf.startswith("7.")
