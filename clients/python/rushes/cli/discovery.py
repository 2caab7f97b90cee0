"""Finds the Rushes that runs on this machine.

Looks for `run/standalone.json` in RUSHES_DATA_DIR or, when that is not set, in `.rushes` of the
working directory, of its parents, and beside the virtual environment.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.cli.exits import UNREACHABLE, Refusal


@dataclass(frozen=True)
class Standalone:
    """A run of `make up`: where it listens, and what its tokens must look like."""

    server: str
    key_file: Path
    issuer: str
    audience: str


def find_standalone() -> Standalone | None:
    """The `make up` that runs on this machine; None when none does."""
    found = find_run()
    if found is None:
        return None
    _, values = found
    return Standalone(
        server=str(values["server"]),
        key_file=Path(values["jwt_key_file"]),
        issuer=str(values.get("issuer", "rushes")),
        audience=str(values.get("audience", "rushes")),
    )


def find_run() -> tuple[Path, dict[str, Any]] | None:
    """The data folder of the running `make up`, and the content of its standalone.json."""
    for folder in data_folders():
        values = _read(folder / "run" / "standalone.json")
        if values is not None and _is_alive(values.get("pid")):
            return folder, values
    return None


def find_key_file() -> Path | None:
    """The key of the nearest data folder, whether or not it runs."""
    files = (folder / "keys" / "jwt.key" for folder in data_folders())
    return next((file for file in files if file.is_file()), None)


def not_running() -> Refusal:
    """The refusal when nothing runs here: it names the folders that were searched."""
    return Refusal(
        f"Rushes is not running here (looked in {_looked()}). "
        "Start it with `make up`, or name a server with --server.",
        UNREACHABLE,
    )


def no_folder() -> Refusal:
    """The refusal when there is no data folder here."""
    return Refusal(f"There is no data folder of Rushes here (looked in {_looked()}).", UNREACHABLE)


def data_folders() -> Iterator[Path]:
    """The data folders that exist and belong to this user, nearest first."""
    for folder in _candidates():
        try:
            owner = folder.stat().st_uid
        except OSError:
            continue
        # Another user's folder in a shared place (/tmp/.rushes) must not get this user's token.
        if not hasattr(os, "geteuid") or os.geteuid() in (0, owner):
            yield folder


def _looked() -> str:
    return ", ".join(str(folder) for folder in _candidates())


def _candidates() -> list[Path]:
    named = os.environ.get("RUSHES_DATA_DIR")
    if named:
        return [Path(named).absolute()]
    here = Path.cwd()
    folders = [folder / ".rushes" for folder in (here, *here.parents)]
    if sys.prefix != sys.base_prefix:
        folders.append(Path(sys.prefix).parent / ".rushes")
    return list(dict.fromkeys(folders))


def _read(file: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    complete = isinstance(values, dict) and {"server", "jwt_key_file"} <= values.keys()
    return values if complete else None


def _is_alive(pid: object) -> bool:
    # On Windows os.kill ends the process instead of asking for it.
    if os.name != "posix" or not isinstance(pid, int):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
