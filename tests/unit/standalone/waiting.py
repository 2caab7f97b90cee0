"""Waits for conditions with a deadline, and knows which processes live."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_SECONDS = 20.0
PAUSE_SECONDS = 0.01


def until(holds: Callable[[], object]) -> None:
    """Returns when `holds()` is true; fails when it does not become so."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(PAUSE_SECONDS)


async def until_async(holds: Callable[[], object]) -> None:
    """The same, for a test that shares its event loop with what it tests."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if holds():
                return
            await asyncio.sleep(PAUSE_SECONDS)


def lives(folder: Path) -> list[int]:
    """The pids of all lives that a fake child left in its folder."""
    return [int(path.name) for path in folder.iterdir()] if folder.exists() else []


def living(folder: Path) -> list[int]:
    """Those that are alive."""
    return [pid for pid in lives(folder) if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
