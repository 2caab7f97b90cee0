"""What the environment says about the server and the token."""

import os
from collections.abc import Callable
from pathlib import Path

from rushes.errors import NotSignedIn

DEFAULT_SERVER = "localhost:8080"


def server() -> str:
    """The server that RUSHES_SERVER names, else one on this machine."""
    return os.environ.get("RUSHES_SERVER") or DEFAULT_SERVER


def token() -> str | Callable[[], str]:
    """RUSHES_TOKEN, else a function that reads the file of RUSHES_TOKEN_FILE, else no token."""
    if named := os.environ.get("RUSHES_TOKEN"):
        return named
    file = os.environ.get("RUSHES_TOKEN_FILE")
    return (lambda: _read(Path(file))) if file else ""


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotSignedIn(f"The token file {file} (RUSHES_TOKEN_FILE) can't be read.") from error
