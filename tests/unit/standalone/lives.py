"""Which processes of a test live."""

from pathlib import Path


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
