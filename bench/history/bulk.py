"""Loads many rows fast: without indexes while they are written, and with COPY on PostgreSQL."""

import contextlib
import io
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Protocol

import peewee
import psycopg2
from psycopg2 import extensions

from core.store import models
from core.store.engine.sqlite import sqlite_path

_CHUNK = 20_000
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _tables() -> dict[str, dict[str, Any]]:
    """The columns of each table with their defaults."""
    found = [m for m in vars(models).values() if isinstance(m, type) and m is not peewee.Model]
    return {
        m._meta.table_name: {f.column_name: f.default for f in m._meta.sorted_fields}
        for m in found
        if issubclass(m, peewee.Model)
    }


class Target(Protocol):
    """A database that is filled."""

    def write(self, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        """Writes the rows."""


@contextlib.contextmanager
def target(url: str, *, rebuild: bool) -> Iterator[Target]:
    """The database at the address, whose tables are there; commits at the end.

    With `rebuild` it has no indexes meanwhile.
    """
    path = sqlite_path(url)
    make = _postgres(url, rebuild) if path is None else _sqlite(str(path), rebuild)
    with make as made:
        yield made


def load(to: Target, made: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, int]:
    """Writes the rows and tells how many each table got."""
    tables = _tables()
    waiting: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)

    def flush(table: str) -> None:
        to.write(table, list(tables[table]), waiting[table])
        waiting[table].clear()

    for table, row in made:
        filled = tables[table] | row
        if len(filled) != len(tables[table]):
            raise KeyError(f"{table} has no column {sorted(row.keys() - tables[table].keys())}")
        waiting[table].append(tuple(filled.values()))
        counts[table] += 1
        if len(waiting[table]) == _CHUNK:
            flush(table)
    for table in waiting:
        flush(table)
    return dict(counts)


def clean(url: str) -> None:
    """Removes the entries of items that are indexed by now, as PostgreSQL does by itself."""
    if sqlite_path(url) is None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("VACUUM media")


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows
        )


@contextlib.contextmanager
def _sqlite(path: str, rebuild: bool) -> Iterator[Target]:
    connection = sqlite3.connect(path, isolation_level=None)
    with closing(connection):
        # Nobody else has the file, and one that breaks off is thrown away.
        for setting in ("synchronous = OFF", "cache_size = -2000000", "threads = 2"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN IMMEDIATE")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes if rebuild else []:
            connection.execute(f"DROP INDEX {name}")
        yield _Sqlite(connection)
        for _, sql in indexes if rebuild else []:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _Postgres:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def write(self, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        text = "\n".join("\t".join(map(_field, row)) for row in rows) + "\n"
        if rows:
            self._cursor.copy_expert(
                f"COPY {table} ({', '.join(columns)}) FROM STDIN", io.StringIO(text)
            )


def _field(value: Any) -> str:
    if value is None:
        return "\\N"
    return value.translate(_ESCAPES) if isinstance(value, str) else str(value)


@contextlib.contextmanager
def _postgres(url: str, rebuild: bool) -> Iterator[Target]:
    # The product's own waits take no COPY.
    waits = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    connection = psycopg2.connect(url)
    with closing(connection), connection.cursor() as cursor:
        for setting in ("synchronous_commit = off", "maintenance_work_mem = '1GB'"):
            cursor.execute(f"SET {setting}")
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'p' AND connamespace = 'public'::regnamespace"
        )
        keys = cursor.fetchall() if rebuild else []
        for table, name, _ in keys:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
        indexes = cursor.fetchall() if rebuild else []
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield _Postgres(cursor)
        for table, name, key in keys:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {key}")
        for _, sql in indexes:
            cursor.execute(sql)
        connection.commit()
    extensions.set_wait_callback(waits)
