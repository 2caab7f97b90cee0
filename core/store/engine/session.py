"""Runs statements inside one transaction.

A round trip to PostgreSQL costs more than most statements do. So a session keeps back statements
whose answer nobody needs, first of all BEGIN. It sends them together with the next statement whose
answer is needed, or with the COMMIT. A connection keeps each statement prepared from its first use
on.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import peewee

from core.store.engine.postgres import Postgres
from core.store.engine.sql import Dialect, Prepared, Statement

Row = tuple[Any, ...]
_NOW = Statement("SELECT {now}")
# Raises peewee's errors instead of the driver's.
_as_peewee: Any = vars(peewee)["__exception_wrapper__"]


class Session:
    """Statements inside one transaction."""

    def __init__(self, database: peewee.Database, dialect: Dialect) -> None:
        self._database = database
        self.dialect = dialect

    def rows(self, statement: Statement, **values: Any) -> list[Row]:
        """All rows that the statement gives."""
        # SQLite goes on while rows are fetched, so that it may fail then.
        with _as_peewee:
            rows: list[Row] = self._execute(statement, values).fetchall()
        return rows

    def row(self, statement: Statement, **values: Any) -> Row | None:
        """The first row that the statement gives."""
        with _as_peewee:
            row: Row | None = self._execute(statement, values).fetchone()
        return row

    def run(self, statement: Statement, **values: Any) -> int:
        """How many rows the statement changed."""
        count: int = self._execute(statement, values).rowcount
        return count

    def later(self, statement: Statement, **values: Any) -> None:
        """Runs the statement before the next one or the commit, which raises what it raises."""
        self._execute(statement, values)

    def now_ms(self) -> int:
        """The database's clock."""
        row = self.row(_NOW)
        assert row is not None
        return int(row[0])

    def _execute(self, statement: Statement, values: dict[str, Any]) -> Any:
        sql, names = statement.render(self.dialect)
        adapt = self.dialect.adapt
        return self._database.execute_sql(sql, tuple(adapt(values[name]) for name in names))


class PostgresSession(Session):
    """Statements for one PostgreSQL connection; outside `transaction` each is one of its own."""

    def __init__(self, database: Postgres) -> None:
        super().__init__(database, Dialect.POSTGRES)
        self._postgres = database
        self._texts: list[str] = []
        self._values: list[Any] = []
        self._new: set[str] = set()

    @contextlib.contextmanager
    def transaction(self, begin: str) -> Iterator[Session]:
        """Sends `begin` with the first statement, and COMMIT at the end unless something is raised.

        Without `begin` it sends neither of them.
        """
        begins = [begin] if begin else []
        self._texts += begins
        try:
            yield self
            if self._texts != begins:  # otherwise nothing was sent and nothing has to be
                self._texts += ["COMMIT"] if begin else []
                self._send()
        except BaseException:
            self._postgres.undo()
            raise

    def later(self, statement: Statement, **values: Any) -> None:
        """Runs the statement before the next one or the commit, which raises what it raises."""
        prepared = statement.prepared()
        adapt = self.dialect.adapt
        if prepared is None:
            call, names = statement.render(self.dialect)
        else:
            call, names = prepared.call, prepared.names
        given = [adapt(values[name]) for name in names]
        if prepared is not None:
            self._define(prepared, given)
        self._texts.append(call)
        self._values += given

    def _execute(self, statement: Statement, values: dict[str, Any]) -> Any:
        self.later(statement, **values)
        return self._send()

    def _define(self, prepared: Prepared, values: list[Any]) -> None:
        name = prepared.name
        if name not in self._new and name not in self._postgres.connection().prepared:
            self._texts.append(prepared.definition(values))
            self._new.add(name)

    def _send(self) -> Any:
        """Sends what was kept back in one round trip; gives the answer to the last statement."""
        texts, values, new = self._texts, self._values, self._new
        self._texts, self._values, self._new = [], [], set()
        connection = self._postgres.connection()
        if connection.forgets_plans():
            texts.insert(1 if texts[0].startswith("BEGIN") else 0, "DISCARD PLANS")
        # If this breaks, nobody knows which new statements the connection has, so it is closed.
        connection.reusable = not new
        answer = self._postgres.execute_sql("; ".join(texts), values)
        connection.prepared |= new
        connection.reusable = True
        return answer
