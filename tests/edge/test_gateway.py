"""The HTTP annotations stay compatible with grpc-gateway: its own plugins accept them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from tests.services import missing

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-proto" / "bin" / "python"
SERVICES = sorted(
    path.relative_to(ROOT / "protos").as_posix()
    for path in (ROOT / "protos" / "rushes").rglob("*_service.proto")
)


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    """A copy without `optional`: Debian's plugin is older than that word."""
    for source in (ROOT / "protos" / "rushes").rglob("*.proto"):
        copy = tmp_path / source.relative_to(ROOT / "protos")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(re.sub(r"(?m)^(\s*)optional ", r"\1", source.read_text()))
    return tmp_path


def run_plugin(name: str, protos: Path, out: Path) -> None:
    """Fails with what the plugin says."""
    plugin = shutil.which(f"protoc-gen-{name}")
    if plugin is None:
        missing(f"protoc-gen-{name} (Debian: golang-grpc-gateway)")
    if not PYTHON.exists():
        missing("grpcio-tools (make proto)")
    where = "import google.rpc as p, pathlib; print(pathlib.Path(list(p.__path__)[0]).parents[1])"
    google = subprocess.check_output([PYTHON, "-c", where], text=True).strip()
    out.mkdir()
    command = [PYTHON, "-W", "ignore", "-m", "grpc_tools.protoc", f"-I{protos}", f"-I{google}"]
    command += [f"--plugin=protoc-gen-{name}={plugin}", f"--{name}_out=logtostderr=true:{out}"]
    done = subprocess.run([*command, *SERVICES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def methods() -> list[str]:
    files = descriptor_pb2.FileDescriptorSet.FromString(
        (ROOT / "protos" / "rushes.binpb").read_bytes()
    )
    return [
        method.name
        for file in files.file
        if file.package == "rushes.v1"
        for service in file.service
        for method in service.method
    ]


def test_grpc_gateway_makes_a_route_of_every_method(protos: Path, tmp_path: Path) -> None:
    out = tmp_path / "go"

    run_plugin("grpc-gateway", protos, out)

    code = "".join(path.read_text() for path in out.rglob("*.gw.go"))
    routes = re.findall(r"pattern_[A-Za-z]+Service_(\w+)_0 = ", code)
    assert sorted(routes) == sorted(methods())


def test_the_swagger_plugin_accepts_them(protos: Path, tmp_path: Path) -> None:
    out = tmp_path / "swagger"

    run_plugin("swagger", protos, out)

    documents = "".join(path.read_text() for path in out.rglob("*.swagger.json"))
    assert all(re.search(rf'"(?:\w+_)?{name}"', documents) for name in methods())
