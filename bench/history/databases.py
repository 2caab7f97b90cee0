"""The two databases that are compared: one with a long history, and one with a short one.

In a folder that stays, they are filled once. Statistics of the database itself are forgotten and
made as often as one likes.
"""

import json
import os
import pwd
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg2

from bench.history.fill import fill
from bench.history.rows import Size
from core.store.engine.sqlite import sqlite_path
from tests.services import Postgres

# So many jobs that a page of a list is as long as with a long history.
SHORT = Size(of_one=2000)
NAMES = ("long", "short")
# Nobody makes statistics behind our back, and one checkpoint is no part of another run.
SETTINGS = ("autovacuum=off", "max_wal_size=8GB")
_FORGET = """
    DELETE FROM pg_statistic WHERE starelid IN (
        SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
    )
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """The addresses of the long and the short one, and what filling the long one took, in s."""

    kind: str
    long: str
    short: str
    fill_seconds: float

    def forget_statistics(self) -> None:
        """Makes both as they are when they were just loaded."""
        for url in (self.long, self.short):
            if sqlite_path(url) is None:
                execute(url, _FORGET)
            elif execute(url, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"):
                execute(url, "DELETE FROM sqlite_stat1")

    def analyze(self) -> None:
        """Makes statistics of both."""
        for url in (self.long, self.short):
            execute(url, "ANALYZE")


@contextmanager
def databases(kind: str, folder: Path, long: Size) -> Iterator[Pair]:
    """Both, filled if they are not yet in the folder.

    Raises:
        SystemExit: when the folder has a history of another size.
    """
    place = folder / kind
    place.mkdir(parents=True, exist_ok=True)
    with _urls(kind, place) as urls:
        seconds = _filled(place / "filled.json", urls, long)
        yield Pair(kind, urls[0], urls[1], seconds)


def _filled(note: Path, urls: list[str], long: Size) -> float:
    """Fills them if the note does not say that they are; how long the long one took."""
    if note.exists():
        kept = json.loads(note.read_text())
        if kept["size"] != asdict(long):
            raise SystemExit(f"{note.parent} has a history of another size: name another --folder")
        return float(kept["seconds"])
    began = time.monotonic()
    fill(urls[0], long)
    seconds = time.monotonic() - began
    fill(urls[1], SHORT)
    note.write_text(json.dumps({"size": asdict(long), "seconds": seconds}))
    return seconds


@contextmanager
def _urls(kind: str, place: Path) -> Iterator[list[str]]:
    if kind == "sqlite":
        yield [f"sqlite:///{place.resolve() / name}.db" for name in NAMES]
        return
    if os.geteuid() == 0:
        os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
    cluster = Postgres(folder=place.resolve(), settings=SETTINGS)
    cluster.start()
    try:
        made = {row[0] for row in execute(cluster.url(), "SELECT datname FROM pg_database")}
        for name in NAMES:
            if name not in made:
                cluster.new_database(name=name)
        yield [cluster.url(name) for name in NAMES]
    finally:
        cluster.stop()


def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a statement, which commits by itself."""
    path = sqlite_path(url)
    if path is not None:
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            return file.execute(sql).fetchall()
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
