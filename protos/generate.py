#!/usr/bin/env python3
"""Generates the Python stubs, the descriptor set, the OpenAPI document and protos/google.

--check proves that what is committed is fresh.

PROTOC_PYTHON names the interpreter that has grpcio-tools 1.76.0: its stubs import on protobuf 6.33
and on 7.x, those of newer generators only on 7.x.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from protos.openapi import make_openapi

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = Path("clients/python/rushes/v1")
DESCRIPTORS = Path("protos/rushes.binpb")
OPENAPI = Path("server/http/pages/openapi.json")
PYTHON = os.environ.get("PROTOC_PYTHON", sys.executable)
# Envoy's JSON transcoder turns error details into JSON only if it knows their types.
ERROR_DETAILS = ["google/rpc/error_details.proto", "google/rpc/status.proto"]
# Copies of what the contract imports and what errors carry, so that protos/ builds alone.
GOOGLE = [
    *ERROR_DETAILS,
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/type/money.proto",
]


def google_protos() -> Path:
    """The folder in which googleapis-common-protos keeps google/api/*.proto."""
    code = "import google.rpc as p, pathlib; print(pathlib.Path(list(p.__path__)[0]).parent.parent)"
    return Path(subprocess.check_output([PYTHON, "-c", code], text=True).strip())


def copy_google(root: Path) -> None:
    source = google_protos()
    for name in GOOGLE:
        copy = root / "protos" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, copy)


def protoc(google: Path, *arguments: str) -> None:
    # The committed copies come second: before the first generation there are none.
    include = [f"-I{PROTOS}", f"-I{google}"]
    plugins = f"{Path(PYTHON).absolute().parent}{os.pathsep}{os.environ['PATH']}"
    command = [PYTHON, "-W", "ignore", "-m", "grpc_tools.protoc", *include, *arguments]
    subprocess.run(command, check=True, env={**os.environ, "PATH": plugins})


def generate(root: Path) -> None:
    files = sorted(str(p.relative_to(PROTOS)) for p in (PROTOS / "rushes").rglob("*.proto"))
    out = root / STUBS.parent.parent
    out.mkdir(parents=True, exist_ok=True)
    copy_google(root)
    google = root / "protos"
    stubs = [f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"]
    protoc(google, *stubs, *files)
    protoc(google, f"--mypy_grpc_out=quiet:{out}", *files)
    descriptors = root / DESCRIPTORS
    descriptors.parent.mkdir(parents=True, exist_ok=True)
    kept = ["--include_imports", "--include_source_info", f"--descriptor_set_out={descriptors}"]
    protoc(google, *kept, *files, *ERROR_DETAILS)
    document = root / OPENAPI
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(make_openapi(descriptors))


def stale(root: Path) -> list[str]:
    """The generated files in the tree that differ from those in `root`."""
    made = [p.relative_to(root) for p in root.rglob("*") if p.is_file()]
    there = [p.relative_to(ROOT) for p in (ROOT / STUBS).glob("*_pb2*")]
    there += [p.relative_to(ROOT) for p in (PROTOS / "google").rglob("*.proto")]
    names = sorted(set(made) | set(there))
    return [
        str(name)
        for name in names
        if not (root / name).is_file()
        or not (ROOT / name).is_file()
        or not filecmp.cmp(root / name, ROOT / name, shallow=False)
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate(root)
        if "--check" in sys.argv:
            names = stale(root)
            print("\n".join(f"stale: {name} (run make proto)" for name in names))
            return 1 if names else 0
        shutil.copytree(root, ROOT, dirs_exist_ok=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())
