"""What an installation of many watchers needs, reckoned from the figures in `bench/results`.

Run it from the repository: `.venv/bin/python -m bench.model [--watchers 1000000] [--write]`.
It measures nothing. Where figures are missing it says which command makes them.
"""

import argparse
import shlex
import statistics
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.harness.report import LINE, include
from bench.harness.results import Figures
from bench.model.costs import Lacking, Load, layout, loads_of
from bench.model.needs import (
    OURS,
    SHARE,
    Asked,
    Kept,
    Part,
    ends_at,
    parts,
    processes,
    server_cores,
    valkey_cores,
)
from bench.scale import COUNTS, LOADS, cell, of_processes

PLACES = [
    *((of_processes(count), count, False) for count in COUNTS),
    *((of_processes(count, True), count, True) for count in COUNTS[1:]),
]


def main() -> None:
    """Prints the tables, and puts them into the docs if asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--watchers", type=int, default=1_000_000)
    parser.add_argument("--running", type=int, default=50_000, help="jobs that run at once")
    parser.add_argument("--job-seconds", type=float, default=60.0, help="how long a job runs")
    parser.add_argument("--progress-per-s", type=float, default=1.0, help="of a running job")
    parser.add_argument("--changes", type=int, default=5, help="state changes of a job")
    parser.add_argument("--per-process", type=int, default=10_000, help="watches of a process")
    parser.add_argument("--per-envoy", type=int, default=20_000, help="connections of an Envoy")
    parser.add_argument("--write", action="store_true", help="put the tables into the docs")
    options = vars(parser.parse_args())
    write = options.pop("write")
    try:
        text = "\n\n".join(_sections(Asked(**options), Kept.read()))
    except Lacking as lacking:
        parser.exit(1, f"{lacking}\n")
    print(text)
    if write:
        include("model", text)


def _sections(asked: Asked, kept: Kept) -> Iterator[str]:
    yield _fill(
        f"`{shlex.join(['python', '-m', 'bench.model', *sys.argv[1:]])}`: {asked.watchers:,}"
        f" watchers, each of a user of its own; {asked.running:,} jobs run at once, each for"
        f" {asked.job_seconds:g} s, with {asked.progress_per_s:g} progress events a second and"
        f" {asked.changes} state changes. A process uses at most {SHARE:g} of a core. The table is"
        " of processes that tail the shards of their own users alone."
    )
    yield _table(
        ["part", "processes", "cores", "memory, GiB", "carries"], map(_line, parts(asked, kept))
    )
    yield _today(asked, kept)
    yield _constants(kept)
    yield from _checked(kept)


def _line(part: Part) -> list[str]:
    gib = "" if part.gib is None else f"{part.gib:,.0f}"
    return [part.name, f"{part.count:,}", f"{part.cores:,.1f}", gib, part.carries]


def _today(asked: Asked, kept: Kept) -> str:
    """What does not scale as it is: each process tails all shards, as its users are of all."""
    count = processes(asked, kept, by_shard=True) or 1
    _, alone = server_cores(asked, kept, count, by_shard=False)
    valkey = valkey_cores(asked, kept, count, by_shard=False)
    text = (
        f"As it is, users of every shard are at every process, so each of the {count} processes"
        f" would read every event: {alone:.2f} of a core each for events of other users, and"
        f" {valkey:,.1f} cores of Valkey, which runs commands on one. It ends at about"
        f" {_about(ends_at(asked, kept))} watchers with as many jobs for each."
    )
    return _fill(" ".join([text, *_storm(kept)]))


def _storm(kept: Kept) -> Iterator[str]:
    """What the largest storm that was measured says of a process that dies."""
    rows = [row for row in Figures.read("storm", kept.folder).rows if row.system == OURS]
    found = max(((_number(row.cell), row["seconds"].median) for row in rows), default=None)
    if found is not None:
        yield (
            f"When a process dies, its watchers return elsewhere; {found[0]:,} who return to one"
            f" process with 20 changes missed each have all after {found[1]:.1f} s (`bench.storm`)."
        )


def _number(cell_of_storm: str) -> int:
    return int(cell_of_storm.rpartition("-")[2])


def _about(number: int) -> str:
    """The number with two digits that mean something."""
    return f"{int(float(f'{number:.2g}')):,}"


def _constants(kept: Kept) -> str:
    server = [
        ["server", kind, *map(_micros, (its.moment, its.read, its.row, its.wake_up, its.delivery))]
        for kind, its in kept.server.items()
    ]
    valkey = [
        [
            "Valkey",
            kind,
            _micros(its.moment),
            "",
            _micros(its.row),
            "",
            f"{_micros(its.event)} taken",
        ]
        for kind, its in kept.valkey.items()
    ]
    titles = ["being woken", "a read", "a row read", "waking watchers", "an event delivered"]
    return _table(["µs of CPU", "kind", *titles], [*server, *valkey])


def _micros(cost: float) -> str:
    return f"{cost:.1f}"


def _checked(kept: Kept) -> Iterator[str]:
    """What the model says beside what was measured, and by how much it is wrong."""
    found = [
        Checked(load, shards, place)
        for kind in kept.server
        for load in loads_of(kind)
        for shards in COUNTS
        for place in PLACES
    ]
    scale = Figures.read("scale", kept.folder)
    servers = {one: one.servers(kept, scale) for one in found}
    errors = sorted(abs(pair.error) for one, pair in servers.items() if pair and not one.fitted)
    yield _grid("servers µs/event", servers)
    if errors:
        yield _fill(
            "Each cell says: predicted, measured (error). The costs are fitted to one process on"
            " one shard and to bystanders; all else is predicted. The median error is"
            f" {statistics.median(errors):.0f} %, the worst {errors[-1]:.0f} %, over"
            f" {len(errors)} cells."
        )
    heavy = [one for one in found if one.load == loads_of(one.kind)[1]]
    yield _grid("Valkey µs/event", {one: one.valkey(kept, scale) for one in heavy})


@dataclass(frozen=True, slots=True)
class Beside:
    """A prediction beside what was measured."""

    said: float
    found: float

    @property
    def error(self) -> float:
        """In percent of what was measured."""
        return 100 * (self.said - self.found) / self.found

    def __str__(self) -> str:
        return f"{self.said:,.0f}, {self.found:,.0f} ({round(self.error):+d} %)"


@dataclass(frozen=True, slots=True)
class Checked:
    """A cell and a system of `bench.scale`."""

    load: str
    shards: int
    place: tuple[str, int, bool]

    @property
    def kind(self) -> str:
        """Of its events."""
        return LOADS[self.load][0]

    @property
    def rate(self) -> int:
        """Events a second."""
        return LOADS[self.load][1]

    @property
    def fitted(self) -> bool:
        """Whether the costs come from it."""
        return (self.shards, self.place[1]) == (1, 1)

    def servers(self, kept: Kept, scale: Figures) -> Beside | None:
        """CPU of all server processes for an event; None when it was not measured."""
        spent = sum(map(kept.server[self.kind].of, self._layout()))
        return self._beside(scale, spent, "servers_us")

    def valkey(self, kept: Kept, scale: Figures) -> Beside | None:
        """CPU of Valkey for an event; None when it was not measured."""
        spent = kept.valkey[self.kind].of(self.rate, self._layout())
        return self._beside(scale, spent, "valkey_us")

    def _layout(self) -> list[Load]:
        _, count, by_shard = self.place
        return layout(self.rate, self.shards, count, by_shard)

    def _beside(self, scale: Figures, spent: float, metric: str) -> Beside | None:
        row = scale.find(cell(self.load, self.shards), self.place[0])
        return Beside(spent / self.rate, row[metric].median) if row else None


def _grid(title: str, pairs: "dict[Checked, Beside | None]") -> str:
    """A line for each load and number of shards, a column for each system."""
    lines: dict[str, list[str]] = {}
    for one, pair in pairs.items():
        lines.setdefault(cell(one.load, one.shards), []).append(str(pair or ""))
    systems = [system.removeprefix("rushes, ") for system, *_ in PLACES]
    return _table([title, *systems], [[name, *said] for name, said in lines.items()])


def _table(titles: Sequence[str], lines: "Iterator[list[str]] | Sequence[list[str]]") -> str:
    rows = [list(titles), *lines]
    text = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([text[0], "|" + "---|" * len(titles), *text[1:]])


def _fill(text: str) -> str:
    return textwrap.fill(text, LINE, break_on_hyphens=False, break_long_words=False)


if __name__ == "__main__":
    main()
