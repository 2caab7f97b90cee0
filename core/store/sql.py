"""SQL written once for both databases, translated once for each, and run many times.

In a statement `:name` is a value, `= ANY(:names)` takes a list, `{now}` is the database's clock in
integer milliseconds, and `{skip_locked}` follows the SELECT of a claim.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_VALUE = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")
_ANY = re.compile(r"= ANY\((:[a-z0-9_]+)\)")


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


@dataclass(slots=True)
class Statement:
    """One SQL statement."""

    text: str
    _rendered: dict[Dialect, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def render(self, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
        """The SQL for that database and the names of its values, in order."""
        found = self._rendered.get(dialect)
        if found is None:
            found = self._rendered[dialect] = self._translate(dialect)
        return found

    def _translate(self, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
        text = self.text.replace("{now}", dialect.now)
        text = text.replace("{skip_locked}", dialect.skip_locked)
        text = text.replace("{for_update}", dialect.for_update)
        if dialect is Dialect.SQLITE:
            text = _ANY.sub(r"IN (SELECT value FROM json_each(\1))", text)
        else:
            text = text.replace("%", "%%")
        names = tuple(_VALUE.findall(text))
        return _VALUE.sub("?" if dialect is Dialect.SQLITE else "%s", text), names


def columns(names: Sequence[str], table: str = "") -> str:
    """The names as a column list."""
    prefix = f"{table}." if table else ""
    return ", ".join(prefix + name for name in names)
