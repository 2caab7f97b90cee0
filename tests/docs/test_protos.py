"""protos/README.md: the folder builds alone, with each tool as the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server.services import SERVICES, Service
from tests.node import FOLDER, node
from tests.services import missing

ROOT = Path(__file__).resolve().parents[2]
PROTOC_PYTHON = ROOT / ".venv-proto" / "bin" / "python"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "protos/README.md").read_text(), re.M | re.S)


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A folder with a copy of protos/ and nothing else."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    return tmp_path


def run(block: str, folder: Path, tools: Path) -> None:
    """Runs a shell block; buf may not use the network."""
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "HTTPS_PROXY": "http://127.0.0.1:9"}
    env["BUF_CACHE_DIR"] = str(folder / "cache")
    done = subprocess.run(
        ["bash", "-eu"], input=block, cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def block_with(word: str) -> str:
    [block] = [text for _, text in BLOCKS if word in text]
    return block


@pytest.fixture
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `protoc` that knows only the includes it is given and its own protobuf."""
    if not PROTOC_PYTHON.exists():
        missing("grpcio-tools (make proto)")
    folder = tmp_path_factory.mktemp("tools")
    script = folder / "protoc"
    call = "from grpc_tools import _protoc_compiler as c, protoc; import importlib.resources as r"
    own = "'-I' + str(r.files('grpc_tools') / '_proto')"
    code = f"{call}; import sys; sys.exit(protoc.main([*sys.argv, {own}]))"
    script.write_text(f'#!/bin/sh\nexec "{PROTOC_PYTHON}" -W ignore -c "{code}" "$@"\n')
    script.chmod(0o755)
    return folder


def test_protoc_builds_the_folder_alone(alone: Path, tools: Path) -> None:
    run(block_with("--python_out=gen protos"), alone, tools)

    made = {path.name for path in (alone / "gen").rglob("*.py")}
    assert {"media_service_pb2.py", "money_pb2.py", "annotations_pb2.py"} <= made


def test_buf_builds_and_lints_the_folder_alone(alone: Path, tools: Path) -> None:
    run(block_with("buf build"), alone, tools)

    assert b"google/type/money.proto" in (alone / "contract.binpb").read_bytes()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_proto_loader_reads_the_folder_alone(alone: Path, service: Service) -> None:
    # Given the block of the page, for this service instead of the one that it names
    found = node()
    block = block_with("loadSync")
    named = {"rushes/v1/media_service.proto", "rushes.v1.MediaService"}
    assert [block.count(name) for name in named] == [1, 1]
    block = block.replace("rushes/v1/media_service.proto", service.descriptor.file.name)
    block = block.replace("rushes.v1.MediaService", service.name)
    (alone / "node_modules").symlink_to(FOLDER / "node_modules")

    done = subprocess.run(
        [found, "--input-type=commonjs", "-"],
        input=block,
        cwd=alone,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [method.name for method in service.descriptor.methods]
