"""`rushes logs`: prints the logs of all processes of a run, ordered by time, for people."""

import json
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

USAGE = 2
BLOCK_BYTES = 64 * 1024
LOOK_SECONDS = 0.25
# As Valkey writes it. The supervisor starts it in UTC, whatever zone the reader is in.
_VALKEY = re.compile(r"\d+:[A-Z] (\d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2}\.\d{3}) ([.*#-]) (.*)")
_VALKEY_LEVELS = {".": "debug", "-": "debug", "*": "info", "#": "warning"}
# Values that the first columns show.
_COLUMNS = ("event", "level", "timestamp", "role", "process")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one process; `time` in seconds of the epoch."""

    process: str
    time: float
    raw: str
    values: dict[str, Any]


@dataclass
class LogFile:
    """The log of one process: its last lines, and then the lines that are added."""

    path: Path
    _offset: int = 0
    _inode: int = 0
    _rest: bytes = b""
    _time: float = field(default=0.0)

    def last(self, count: int) -> list[Line]:
        """The last lines, also from the rotated part. `more` goes on after them."""
        rows = self._tail(self.path, count)
        if len(rows) < count:
            rows = self._tail(self.path.with_name(f"{self.path.name}.1"), count - len(rows)) + rows
        return self._parse(rows)

    def more(self) -> list[Line]:
        """The complete lines since the last call. A rotated file is read from its begin."""
        try:
            with self.path.open("rb") as file:
                stat = self.path.stat()
                if stat.st_ino != self._inode or stat.st_size < self._offset:
                    self._offset, self._inode, self._rest = 0, stat.st_ino, b""
                file.seek(self._offset)
                read = file.read()
        except OSError:
            return []
        self._offset += len(read)
        *rows, self._rest = (self._rest + read).split(b"\n")
        return self._parse(rows)

    def _tail(self, path: Path, count: int) -> list[bytes]:
        try:
            with path.open("rb") as file:
                stat = path.stat()
                start, read = stat.st_size, b""
                while start and read.count(b"\n") <= count:
                    step = min(start, BLOCK_BYTES)
                    start -= step
                    file.seek(start)
                    read = file.read(step) + read
        except OSError:
            return []
        whole, _, rest = read.rpartition(b"\n")
        if path == self.path:
            self._offset, self._inode, self._rest = stat.st_size, stat.st_ino, rest
        return whole.split(b"\n")[-count:] if whole and count else []

    def _parse(self, rows: Iterable[bytes]) -> list[Line]:
        lines = []
        for row in rows:
            raw = row.decode(errors="replace").rstrip("\r")
            if raw.strip():
                line = _read(self.path.stem, raw, self._time)
                self._time = line.time
                lines.append(line)
        return lines


def run(data_dir: Path, process: str, follow: bool, lines: int, as_json: bool) -> int:
    """Prints the last `lines`. With `follow` it prints new lines too, until it is interrupted.

    `process` is the name of one process, or empty for all. As JSON, lines are printed as they were
    written, and a line that is not JSON is put into an object.
    """
    folder = data_dir / "logs"
    files = _files(folder, process)
    if not files and not follow:
        known = ", ".join(file.path.stem for file in _files(folder, ""))
        print(f"There is no log of {process or 'any process'} in {folder}.", file=sys.stderr)
        if known:
            print(f"There are logs of {known}.", file=sys.stderr)
        return USAGE
    width = max((len(file.path.stem) for file in _files(folder, "")), default=0)
    found = sorted((line for file in files for line in file.last(lines)), key=_when)
    _print(found[-lines:] if lines else [], width, as_json)
    while follow:
        time.sleep(LOOK_SECONDS)
        files += _files(folder, process, {file.path for file in files})
        _print(sorted((line for file in files for line in file.more()), key=_when), width, as_json)
    return 0


def _files(folder: Path, process: str, known: Iterable[Path] = ()) -> list[LogFile]:
    wanted = (path for path in sorted(folder.glob("*.log")) if process in ("", path.stem))
    return [LogFile(path) for path in wanted if path not in known]


def _when(line: Line) -> float:
    return line.time


def _read(process: str, raw: str, last_time: float) -> Line:
    """The line of a log. A line without a time gets the time of the line before."""
    try:
        values = json.loads(raw)
        return Line(process, datetime.fromisoformat(values["timestamp"]).timestamp(), raw, values)
    except (ValueError, TypeError, KeyError):
        pass
    if found := _VALKEY.fullmatch(raw):
        at = datetime.strptime(found[1], "%d %b %Y %H:%M:%S.%f").replace(tzinfo=UTC)
        values = {"level": _VALKEY_LEVELS[found[2]], "event": "valkey_message", "message": found[3]}
        return Line(process, at.timestamp(), raw, values)
    return Line(process, last_time, raw, {"event": "output", "message": raw})


def _print(lines: Iterable[Line], width: int, as_json: bool) -> None:
    for line in lines:
        print(_as_json(line) if as_json else _clean(_for_people(line, width)))
    sys.stdout.flush()


def _as_json(line: Line) -> str:
    if "timestamp" in line.values:
        return line.raw
    at = datetime.fromtimestamp(line.time, UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({**line.values, "timestamp": at, "process": line.process})


def _for_people(line: Line, width: int) -> str:
    at = datetime.fromtimestamp(line.time).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    level, event = line.values.get("level", "info"), line.values.get("event", "")
    said = (f"{key}={_shown(key, v)}" for key, v in line.values.items() if key not in _COLUMNS)
    return " ".join([f"{line.process:<{width}}", at, f"{level:<7}", str(event), *said])


def _shown(key: str, value: Any) -> str:
    if key == "exception" and isinstance(value, dict):
        return " at ".join([str(value.get("type")), *value.get("frames", [])[-1:]])
    if isinstance(value, str) and value and not re.search(r'[\s"=]', value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _clean(text: str) -> str:
    """The text without terminal codes."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
