"""The log files of children: private, rotated when they are large, and quoted when a run ends."""

import json
import os
import shutil
from pathlib import Path
from typing import BinaryIO

ROTATE_BYTES = 10 * 1024 * 1024
COPY_BYTES = 1024 * 1024
TAIL_BYTES = 16 * 1024
TAIL_LINES = 5


def open_log(path: Path) -> BinaryIO:
    """The file to append to, mode 0600; one above 10 MiB becomes `<name>.log.1` first."""
    if path.exists() and path.stat().st_size > ROTATE_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def rotate_live(path: Path) -> bool:
    """Moves the lines of a log above 10 MiB to `<name>.log.1` while a process writes to it.

    The process keeps its file, so the lines are copied, 10 MiB of them at most, and the file is
    emptied. What is written between the two is lost. Says whether it did so.

    Raises:
        OSError: when the disk refuses; the log is as it was, or is empty.
    """
    if not path.exists() or path.stat().st_size <= ROTATE_BYTES:
        return False
    old = path.with_name(path.name + ".1")
    old.unlink(missing_ok=True)
    with path.open("rb+") as file, open_log(old) as kept:
        file.seek(-ROTATE_BYTES, os.SEEK_END)
        shutil.copyfileobj(file, kept, COPY_BYTES)
        file.truncate(0)
    return True


def last_words(path: Path, since: int = 0) -> list[str]:
    """The last lines after the first `since` bytes, without the frames of tracebacks."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - TAIL_BYTES, since))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    # A process that is started again and again repeats its last words; once is enough.
    told = (_for_people(line) for line in lines if line.strip() and not _is_frame(line))
    return list(dict.fromkeys(told))[-TAIL_LINES:]


def _for_people(line: str) -> str:
    """The event, error and message of a JSON line. Any other line is returned as it is."""
    try:
        values = json.loads(line)
    except ValueError:
        return line
    if not isinstance(values, dict):
        return line
    said = (values.get(key) for key in ("event", "error", "message"))
    return " ".join(str(value) for value in said if value)


def _is_frame(line: str) -> bool:
    return line.startswith((" ", "\t", "Traceback "))
