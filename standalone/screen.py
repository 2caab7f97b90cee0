"""What the one-command run prints: short sentences for people, never a traceback."""

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from standalone.logs import open_log


@dataclass(frozen=True)
class Welcome:
    """What the ready text names. `server` is where gRPC is served, as host:port.

    `slower` says that the Redis that was named does not answer.
    """

    address: str
    server: str
    edge: bool
    logs: Path
    reflection: bool
    slower: bool = False
    metrics: str = ""


class Screen:
    """Prints to `out`, and failures to `err`. A terminal that is gone is no reason to fail.

    Once `record` is set, everything is also logged there, in the form of the processes' logs.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._began = time.monotonic()
        self.record: Path | None = None

    def starting(self, data: Path) -> None:
        """Prints the first line."""
        self._print(self._out, f"Rushes starts, with its data in {_short(data)}")

    def log(self, sentence: str) -> None:
        """Prints one line about what happened, with the time."""
        self.keep("run_told", message=sentence)
        self._print(self._out, f"{time.strftime('%H:%M:%S')} {sentence}")

    def fail(self, sentence: str) -> None:
        """Prints why the run can't start or go on."""
        self.keep("run_failed", level="error", message=sentence)
        self._print(self._err, f"rushes: {sentence}")

    def ready(self, welcome: Welcome) -> None:
        """Prints that jobs can run now, at which address, and what to try."""
        took = time.monotonic() - self._began
        where = welcome.address if welcome.edge else f"{welcome.server} (gRPC only)"
        self._print(self._out, f"{self._strong('ready')} {where}  ({took:.1f} s)\n{_try(welcome)}")

    def keep(self, event: str, level: str = "info", **values: Any) -> None:
        """Adds a line to the record. A disk that refuses it is no reason to fail."""
        if self.record is None:
            return
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        names = {"role": "standalone", "process": "standalone"}
        line = {"event": event, **values, "level": level, "timestamp": now, **names}
        with contextlib.suppress(OSError), open_log(self.record) as log:
            log.write(json.dumps(line).encode() + b"\n")

    def _strong(self, word: str) -> str:
        plain = not self._out.isatty() or "NO_COLOR" in os.environ
        return word if plain else f"\x1b[1;32m{word}\x1b[0m"

    def _print(self, stream: TextIO, text: str) -> None:
        try:
            print(text, file=stream, flush=True)
        except OSError:
            return


def _try(welcome: Welcome) -> str:
    rushes = _short(Path(sys.executable).parent / "rushes")
    lines = [
        "",
        "Try, in another terminal:",
        f'  {rushes} generate video "calm ocean waves at sunset" --duration 8 --out waves.mp4',
        f"  {rushes} watch",
        f"  TOKEN=$({rushes} token --user alice)",
    ]
    authorization = '-H "authorization: Bearer $TOKEN"'
    if welcome.edge:
        lines.append(f"  curl {authorization} {welcome.address}/v1/jobs")
    if welcome.reflection:
        call = f"{welcome.server} rushes.v1.MediaService/ListJobs"
        lines.append(f"  grpcurl -plaintext {authorization} {call}")
    if welcome.slower:
        lines += ["", "RUSHES_REDIS_URL does not answer: without it, jobs and watches are slower."]
    if welcome.metrics:
        lines += ["", f"Metrics of all processes: {welcome.metrics}"]
    lines += ["", f"Logs are in {_short(welcome.logs)}. Ctrl-C ends it.", ""]
    return "\n".join(lines)


def _short(path: Path) -> str:
    """The path, relative to the working folder if it is inside."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
