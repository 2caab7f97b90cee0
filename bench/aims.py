"""What was measured beside what it must be and what it should be.

Run it from the repository: `.venv/bin/python -m bench.aims [--write]`. It measures nothing: it
reads the figures that the other benches keep in `bench/results`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness.report import include
from bench.harness.results import FOLDER, Figures, Spread

OURS, ENVOY = "rushes", "rushes through Envoy"


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure with its limit. With `over` it is a ratio to that system within one repetition.

    `must` and `aim` are None when the figure is only told. `at_least`: more is better.
    """

    what: str
    bench: str
    cell: str
    metric: str
    unit: str
    must: float | None = None
    aim: float | None = None
    over: str = ""
    at_least: bool = False
    system: str = OURS

    def found(self, folder: Path) -> Spread | None:
        """What was measured; None when it is not kept."""
        figures = Figures.read(self.bench, folder)
        row = figures.find(self.cell, self.system)
        if row is None:
            return None
        if self.over:
            return figures.ratio(row, self.over, self.metric)
        return row.values.get(self.metric)

    def reached(self, value: float) -> str:
        """Which of the two is reached."""
        if self.must is None:
            return "told"
        if self.aim is not None and self._is_within(value, self.aim):
            return "aim"
        return "must" if self._is_within(value, self.must) else "**no**"

    def say(self, value: float | None) -> str:
        """The value with its unit."""
        if value is None:
            return "–"
        digits = 2 if self.unit == "×" else 1 if value < 100 and value != int(value) else 0
        return f"{value:,.{digits}f} {self.unit}".strip()

    def _is_within(self, value: float, limit: float) -> bool:
        return value >= limit if self.at_least else value <= limit


def _against(
    what: str, cells: Sequence[str], must: float, aim: float, *, peer: str = ""
) -> list[Aim]:
    """CPU of the server for an event as a multiple of another system's."""
    bench, over = ("watch-peers", peer) if peer else ("watch", "floor")
    return [
        Aim(f"{what}: {cell}", bench, cell, "server_us", "×", must, aim, over) for cell in cells
    ]


def _storm(watchers: int, must: float, aim: float) -> list[Aim]:
    cell, what = f"storm-{watchers}", f"return of {watchers:,} × 20 missed"
    return [
        Aim(what, "storm", cell, "seconds", "s", must, aim),
        *(
            Aim(f"{what}, {name}", "storm", cell, name, "", 0, 0)
            for name in ("lost", "repeated", "refused")
        ),
    ]


def _idle(cell: str) -> list[Aim]:
    return [
        Aim(f"memory of a watcher: {cell}", "memory", cell, "each_kib", "KiB", 30, 25),
        Aim("still held after they left", "memory", cell, "kept_percent", "%", 10, 10),
    ]


PEER = "socket.io-streams"
FAIR = "another user's GetJob"
# The floods that compute most, and the accepts.
FLOODS = ("GetJob", "ListJobs", "WatchJobs", "GenerateImage", "EstimateCost of 50 models")
SQLITE, POSTGRES = (f"accept on {name}, 50 at once" for name in ("sqlite", "postgres"))
EVENTS = [
    *_against("progress against the floor", ["progress-2000", "progress-5000"], 1.6, 1.2),
    *_against("state changes against the floor", ["state-2000", "state-5000"], 2.0, 1.4),
    *_against("against Socket.IO", ["progress-2000", "progress-5000"], 1.2, 0.999, peer=PEER),
    Aim("p99 of state changes, 2,000/s", "watch", "state-2000", "p99_ms", "ms", 10, 5),
    *(
        Aim(what, "watch-ceiling", cell, "holds", "/s", 10_000, 15_000, at_least=True)
        for what, cell in (
            ("one process holds, progress", "progress-ceiling"),
            ("one process holds, state changes", "state-ceiling"),
        )
    ),
    *_against("a connection each", ["progress-connection-each-2000"], 1.6, 1.2),
    *_against("10 devices against Socket.IO", ["progress-10-devices-2000"], 1.3, 1.0, peer=PEER),
    *_storm(5000, 5, 2),
    *_storm(10_000, 12, 5),
    *_idle("idle-1000-10-connections"),
    *_idle("idle-5000-10-connections"),
    Aim("what Envoy adds", "watch", "progress-envoy-2000", "envoy_us", "µs", system=ENVOY),
]
CALLS = [
    Aim("accepts on PostgreSQL", "accept", POSTGRES, "per_s", "/s", 1000, 1000, at_least=True),
    Aim("the same, of the floor", "accept", POSTGRES, "per_s", "×", over="floor"),
    Aim("p99 of an accept on PostgreSQL", "accept", POSTGRES, "p99_ms", "ms", 50, 50),
    Aim("accepts on SQLite, of the floor", "accept", SQLITE, "per_s", "×", 0.5, 0.5, "floor", True),
    *(
        Aim(f"no-op jobs on {name}, of {peer}", "jobs", "no-op, 2 workers", "jobs_per_s", "×",
            over=peer, system=f"rushes on {name}")
        for name in ("postgres", "sqlite")
        for peer in ("bullmq", "celery", "taskiq", "dramatiq")
    ),
    *(
        Aim(f"download of 1 GiB, {name}", "media", "1 GiB at once", "mb_per_s", "×", over=over)
        for name, over in (("of uvicorn's floor", "uvicorn"), ("of nginx", "nginx"))
    ),
    Aim("p99 of GetJob alone", "api-fair", f"{FAIR} alone", "p99_ms", "ms"),
    Aim("the same beside another user's 100 slow searches", "api-fair",
        f"{FAIR} beside 100 slow searches", "p99_ms", "ms"),
    *(
        Aim(f"{what} beside a flood: {name}, {how}", "starve", f"{name}, {how}", f"{key}_times",
            "×", 3, 3)
        for name in FLOODS
        for how in ("within", "beyond")
        for key, what in (("get", "GetJob"), ("accept", "accept"), ("event", "state change"))
    ),
]  # fmt: skip


def main() -> None:
    """Prints the table, and puts it into the docs if asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    write = parser.parse_args().write
    text = table([*EVENTS, *CALLS])
    print(text)
    if write:
        include("aims", text)


def table(aims: Sequence[Aim], folder: Path = FOLDER) -> str:
    """A line for each figure. What is not kept says so."""
    lines = ["| what | measured | must | aim | reached | figures |", "|---|---|---|---|---|---|"]
    for aim in aims:
        spread = aim.found(folder)
        measured = aim.say(spread.median) if spread else "not measured"
        reached = aim.reached(spread.median) if spread else ""
        words = [aim.what, measured, aim.say(aim.must), aim.say(aim.aim), reached, aim.bench]
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
