"""What the checker is shown, and what it says."""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.crash.checker.final import Final
from tests.crash.history import Line

TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
SUBMITS = ("GenerateImage", "GenerateVideo", "RetryJob")
NEVER_RESUBMIT = "never_resubmit"
# What a watcher is told of a job and the database keeps; `attempt` may be ahead in a snapshot.
TOLD = ("state", "revision", "outputs", "cost", "micros", "failure")


@dataclass(frozen=True)
class Violation:
    """A broken promise, and the fewest lines that show it, in the order in which they happened."""

    invariant: str
    message: str
    trace: tuple[Line, ...]

    def __str__(self) -> str:
        lines = [f"{self.invariant}: {self.message}", *map(_text, self.trace)]
        return "\n    ".join(lines)


class Finding(NamedTuple):
    """What one check found; `check` adds the name of the invariant."""

    message: str
    trace: list[Line]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The history of a run and what it left behind."""

    history: list[Line]
    final: Final
    policy: str = NEVER_RESUBMIT

    @functools.cached_property
    def restored_at(self) -> int:
        """When the database was last put back (`t`): what was told before is another history."""
        times = [line["t"] for line in self.kinds("fault") if line["fault"] == "restore"]
        return max(times, default=-1)

    @functools.cached_property
    def clocks_agree(self) -> bool:
        """Whether nobody turned a host's clock."""
        return all(line["fault"] != "clock_skew" for line in self.kinds("fault"))

    @functools.cached_property
    def ended_at(self) -> float:
        """When all was quiet (`t`); infinity when the history does not say."""
        return min((line["t"] for line in self.kinds("end")), default=float("inf"))

    def kinds(self, *kinds: str) -> Iterator[Line]:
        """The lines of these kinds."""
        return (line for line in self.history if line["kind"] in kinds)

    @functools.cached_property
    def jobs_told(self) -> list[Line]:
        """Answers that told of one job, since the last restore."""
        lines = self.kinds("answer")
        return [line for line in lines if line.get("job") and line["t"] > self.restored_at]


Check = Callable[[Evidence], Iterator[Finding]]


def only(frame: Line, *events: Line) -> Line:
    """The frame with nothing in it but these events."""
    return {**frame, "events": list(events)}


def _text(line: Line) -> str:
    rest = {name: value for name, value in line.items() if name not in ("t", "wall", "kind")}
    stamp = f"{line['t'] / 1e9:.3f} " if "t" in line else ""
    return f"{stamp}{line['kind']} {json.dumps(rest, separators=(',', ':'))}"
