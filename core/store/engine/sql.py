"""SQL that is written once for both databases and translated once for each.

In a statement `:name` is a value, `= ANY(:names)` takes a list, and `{name}` is a named part: a
piece of SQL that several statements share, or that each database says in its own way. `{now}` is
the database's clock in integer milliseconds, and `{moment}` the same where an index is searched by
it. `{skip_locked}` ends the SELECT of a claim. `{for_update}` ends a SELECT whose rows the
transaction will change. `core/store/parts.py` names the parts that speak of our tables.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Any

# Longer than that, no statement may take. Whoever asked is told so, and gets the thread back.
STATEMENT_MS = 2500
_VALUE = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")
_ANY = re.compile(r"= ANY\((:[a-z0-9_]+)\)")
_PART = re.compile(r"\{([a-z_]+)\}")
_LINE_BREAK = re.compile(r"\s*\n\s*")
_PREPARABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_numbers = count(1)
# Most values are of these types, and a job has many.
_PLAIN = frozenset((str, int, bool, float))


class Dialect(Enum):
    """The two databases."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"

    def adapt(self, value: Any) -> Any:
        """A value as the driver takes it."""
        if value is None or type(value) in _PLAIN:
            return value
        if isinstance(value, Enum):
            return value.value
        if isinstance(value, list | tuple):
            items = [self.adapt(item) for item in value]
            return json.dumps(items) if self is Dialect.SQLITE else items
        return value


_parts: dict[str, dict[Dialect, str]] = {}


def name_part(name: str, text: str) -> None:
    """Makes `{name}` stand for the text in every statement; the text may use other parts."""
    name_part_by_dialect(name, sqlite=text, postgres=text)


def name_part_by_dialect(name: str, *, sqlite: str, postgres: str) -> None:
    """Makes `{name}` stand for what each database understands.

    Raises:
        ValueError: when another part has the name.
    """
    if name in _parts:
        raise ValueError(f"two parts are named {name}")
    _parts[name] = {Dialect.SQLITE: _one_line(sqlite), Dialect.POSTGRES: _one_line(postgres)}


def _one_line(text: str) -> str:
    """The text without its layout: a line break and the space around it become one space."""
    return _LINE_BREAK.sub(" ", text.strip())


# Never now(): it stands still inside a transaction. Never unixepoch('subsec'): before SQLite 3.42
# that is NULL without an error, and a lease of NULL is no lease.
name_part_by_dialect(
    "now",
    sqlite="CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    postgres="CAST(extract(epoch from clock_timestamp()) * 1000 AS BIGINT)",
)
# The clock when the statement looked first. A search by an index needs this: to PostgreSQL `{now}`
# is another time for each row, so it would read the index from end to end.
name_part("moment", "(SELECT {now})")
# On SQLite there is one writer, so nobody else can have locked a row.
name_part_by_dialect("skip_locked", sqlite="", postgres="FOR UPDATE SKIP LOCKED")
name_part_by_dialect("for_update", sqlite="", postgres="FOR UPDATE")
name_part_by_dialect("for_update_of_job", sqlite="", postgres="FOR UPDATE OF job")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as a PostgreSQL connection keeps it: `text` with `$1` for the first of `names`,
    and `call`, which runs it with the values of `names`."""

    name: str
    text: str
    names: tuple[str, ...]
    call: str

    def definition(self, values: Sequence[Any]) -> str:
        """The PREPARE that makes a connection keep the statement, for values of these types.

        Only numbers name their type, because PostgreSQL would take two values that are compared
        with each other for text. Every other value gets the type that its place asks for.
        """
        types = ", ".join(_type(value) for value in values)
        return f"PREPARE {self.name}{f'({types})' if types else ''} AS {self.text}"


@dataclass(slots=True)
class Statement:
    """One SQL statement. Its named parts are inserted when it is first used.

    The database gets it as one line, so that its log has one line for each statement.
    """

    text: str
    _rendered: dict[Dialect, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _prepared: Prepared | None = None

    def __post_init__(self) -> None:
        self.text = _one_line(self.text)

    def prepared(self) -> Prepared | None:
        """The statement for connections of PostgreSQL to keep; None when it can't be kept."""
        if self._prepared is None and self.text.startswith(_PREPARABLE):
            self._prepared = self._prepare()
        return self._prepared

    def render(self, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
        """The SQL for that database and the names of its values, in order.

        Raises:
            KeyError: when the statement uses a part that nobody has named.
        """
        found = self._rendered.get(dialect)
        if found is None:
            found = self._rendered[dialect] = self._translate(dialect)
        return found

    def _prepare(self) -> Prepared:
        text = self._filled(Dialect.POSTGRES)
        names = tuple(dict.fromkeys(_VALUE.findall(text)))
        text = _VALUE.sub(lambda found: f"${names.index(found[1]) + 1}", text)
        name = f"s{next(_numbers)}"
        values = f"({', '.join(['%s'] * len(names))})" if names else ""
        return Prepared(name, text, names, f"EXECUTE {name}{values}")

    def _translate(self, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
        text = self._filled(dialect)
        names = tuple(_VALUE.findall(text))
        return _VALUE.sub("?" if dialect is Dialect.SQLITE else "%s", text), names

    def _filled(self, dialect: Dialect) -> str:
        """The text as the database wants it, but with the names of its values still in it."""
        text = _with_parts(self.text, dialect)
        if dialect is Dialect.SQLITE:
            return _ANY.sub(r"IN (SELECT value FROM json_each(\1))", text)
        return text.replace("%", "%%")


def _with_parts(text: str, dialect: Dialect) -> str:
    return _PART.sub(lambda found: _with_parts(_parts[found[1]][dialect], dialect), text)


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "bigint" if isinstance(value, int) else "unknown"


def columns(names: Sequence[str], table: str = "") -> str:
    """The names as a column list."""
    prefix = f"{table}." if table else ""
    return ", ".join(prefix + name for name in names)
