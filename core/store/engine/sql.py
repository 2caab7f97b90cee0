"""SQL written once for both databases, translated once for each, and run many times.

In a statement `:name` is a value, `= ANY(:names)` takes a list, `{now}` is the database's clock in
integer milliseconds, and `{skip_locked}` follows the SELECT of a claim.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Any

_VALUE = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")
_ANY = re.compile(r"= ANY\((:[a-z0-9_]+)\)")
_PREPARABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_numbers = count(1)


class Dialect(Enum):
    """The two databases."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"

    @property
    def now(self) -> str:
        """The clock. Never now(): it stands still inside a transaction. Never unixepoch('subsec'):
        before SQLite 3.42 that is NULL without an error, and a lease of NULL is no lease."""
        if self is Dialect.SQLITE:
            return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
        return "CAST(extract(epoch from clock_timestamp()) * 1000 AS BIGINT)"

    @property
    def skip_locked(self) -> str:
        """What keeps two claims apart; on SQLite the one writer does."""
        return "" if self is Dialect.SQLITE else "FOR UPDATE SKIP LOCKED"

    @property
    def for_update(self) -> str:
        """What locks a row that is read in order to change it."""
        return "" if self is Dialect.SQLITE else "FOR UPDATE"

    def adapt(self, value: Any) -> Any:
        """A value as the driver takes it."""
        if isinstance(value, Enum):
            return value.value
        if isinstance(value, list | tuple):
            items = [self.adapt(item) for item in value]
            return json.dumps(items) if self is Dialect.SQLITE else items
        return value


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as a PostgreSQL connection keeps it: `text` with `$1` for the first of `names`,
    and `call`, which runs it with the values of `names`."""

    name: str
    text: str
    names: tuple[str, ...]
    call: str

    def definition(self, values: Sequence[Any]) -> str:
        """What makes a connection keep it, for values of the types of these.

        Only numbers have a type of their own, since between two values alone PostgreSQL would take
        them for text; all else has the type that its place in the statement asks for.
        """
        types = ", ".join(_type(value) for value in values)
        return f"PREPARE {self.name}{f'({types})' if types else ''} AS {self.text}"


@dataclass(slots=True)
class Statement:
    """One SQL statement."""

    text: str
    _rendered: dict[Dialect, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _prepared: Prepared | None = None

    def prepared(self) -> Prepared | None:
        """The statement for connections of PostgreSQL to keep; None when it can't be kept."""
        if self._prepared is None and self.text.startswith(_PREPARABLE):
            self._prepared = self._prepare()
        return self._prepared

    def render(self, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
        """The SQL for that database and the names of its values, in order."""
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
        """The text with all but its values as the database wants it."""
        text = self.text.replace("{now}", dialect.now)
        text = text.replace("{skip_locked}", dialect.skip_locked)
        text = text.replace("{for_update}", dialect.for_update)
        if dialect is Dialect.SQLITE:
            return _ANY.sub(r"IN (SELECT value FROM json_each(\1))", text)
        return text.replace("%", "%%")


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "bigint" if isinstance(value, int) else "unknown"


def columns(names: Sequence[str], table: str = "") -> str:
    """The names as a column list."""
    prefix = f"{table}." if table else ""
    return ", ".join(prefix + name for name in names)
