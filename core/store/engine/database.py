"""The database: read and write transactions on SQLite or PostgreSQL, for any thread."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import peewee

from core.errors import DependencyUnavailable, QueryTooSlow, SettingsInvalid, StorageFull
from core.store.engine.postgres import Postgres
from core.store.engine.session import PostgresSession, Row, Session
from core.store.engine.sql import Dialect, Statement, name_part_by_dialect
from core.store.engine.sqlite import SqliteFile, Writer, open_sqlite, sqlite_path

__all__ = ["Database", "Row", "Session", "Undo", "connect", "lacks_rights"]

T = TypeVar("T")
_TRIES = 3
_FAILURES = (peewee.OperationalError, peewee.InterfaceError, peewee.NotSupportedError)
# The name of the history, which a statement may read with its rows, as of the same moment.
name_part_by_dialect(
    "epoch",
    sqlite="(SELECT value FROM meta WHERE name = 'epoch')",
    # Another timeline is another history: a promoted standby may lack what watchers were told.
    postgres="""
    (
        SELECT value || '.' || CASE
            WHEN pg_is_in_recovery() THEN ''
            ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END
        FROM meta WHERE name = 'epoch'
    )
    """,
)
_EPOCH = Statement("SELECT {epoch}")
_INSTALLATION = Statement("SELECT value FROM meta WHERE name = 'installation'")


class Undo(Exception):
    """Rolls a transaction back and makes `write` give `result` back."""

    def __init__(self, result: Any) -> None:
        super().__init__("rolled back")
        self.result = result


class Database:
    """One database. Every method may raise DependencyUnavailable("database"), within 5 s, and
    QueryTooSlow, which is one too, when a statement takes longer than 2.5 s."""

    def __init__(
        self,
        database: SqliteFile | Postgres,
        dialect: Dialect,
        writer: Writer | None = None,
    ) -> None:
        self.peewee = database
        self.dialect = dialect
        self._writer = writer

    def write(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Runs `work` in one transaction that commits unless it raises.

        `work` may run again after it was undone, so it must change nothing but the database. With
        `alone` it runs one statement that writes, which needs no transaction around it.

        Raises:
            StorageFull: when the disk is full.
        """

        def transaction() -> T:
            with self._transaction("" if alone else "BEGIN") as session:
                return work(session)

        run = self._writer.run if self._writer else _call
        try:
            return self._retried(lambda: run(transaction))
        except Undo as undo:
            result: T = undo.result
            return result

    def read(self, work: Callable[[Session], T]) -> T:
        """Runs `work` so that all its statements see the same moment."""

        def transaction() -> T:
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
            with self._transaction(begin, lock_type="DEFERRED") as session:
                return work(session)

        return self._retried(transaction, reads=True)

    def rows(self, statement: Statement, **values: Any) -> list[Row]:
        """All rows of one reading statement."""
        return self._retried(lambda: self._session().rows(statement, **values), reads=True)

    def row(self, statement: Statement, **values: Any) -> Row | None:
        """The first row of one reading statement."""
        return self._retried(lambda: self._session().row(statement, **values), reads=True)

    def now_ms(self) -> int:
        """The database's clock, in milliseconds."""
        return self._retried(lambda: self._session().now_ms(), reads=True)

    def epoch(self) -> str:
        """The name of this history; a restore or a failover gives another."""
        return known_epoch(self.row(_EPOCH))

    def installation(self) -> str:
        """The name of this installation; a restored database keeps it."""
        row = self.row(_INSTALLATION)
        if row is None:
            raise DependencyUnavailable("database")
        return str(row[0])

    def close(self) -> None:
        """Closes the connections of all threads; no transaction may be under way."""
        if self._writer:
            self._writer.close()
        if isinstance(self.peewee, SqliteFile):
            self.peewee.close_everywhere()
        else:
            self.peewee.close()
            self.peewee.close_idle()

    def _session(self) -> Session:
        if isinstance(self.peewee, Postgres):
            return PostgresSession(self.peewee)
        return Session(self.peewee, self.dialect)

    @contextlib.contextmanager
    def _transaction(self, begin: str, **sqlite_options: str) -> Iterator[Session]:
        if isinstance(self.peewee, Postgres):
            with PostgresSession(self.peewee).transaction(begin) as session:
                yield session
        else:
            # The writer's thread is not the caller's, so that it needs a limit of its own. It
            # begins after BEGIN, which may have waited for another program.
            with self.peewee.atomic(**sqlite_options), self.peewee.call():
                yield self._session()

    def _retried(self, work: Callable[[], T], *, reads: bool = False) -> T:
        """Runs `work`, and runs it again if PostgreSQL undid it for a reason that passes.

        Such a reason is a deadlock. With `reads`, a lost connection is one too.
        """
        with self.peewee.call():
            for left in reversed(range(_TRIES)):
                try:
                    with self._connection():
                        return work()
                except _FAILURES as error:
                    self._drop_connection(error)
                    if _is_full(error):
                        raise StorageFull from None
                    if _is_too_slow(error):
                        raise QueryTooSlow from None
                    undone = _is_conflict(error) or _is_outdated(error)
                    if not left or not (undone or (reads and _is_lost(error))):
                        raise DependencyUnavailable("database") from error
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[None]:
        """SQLite keeps one connection per thread; PostgreSQL's go back to the pool."""
        try:
            opened = self.peewee.connect(reuse_if_open=True)
        except peewee.PeeweeException as error:
            raise DependencyUnavailable("database") from error
        try:
            yield
        finally:
            if opened and self.dialect is Dialect.POSTGRES and not self.peewee.is_closed():
                self.peewee.close()

    def _drop_connection(self, error: Exception) -> None:
        """Drops connections that the error shows to be dead, which peewee would keep for ever."""
        if isinstance(self.peewee, Postgres):
            if _is_lost(error) or _is_outdated(error):
                self.peewee.close_idle()
        elif not self.peewee.is_closed() and not self.peewee.in_transaction():
            with contextlib.suppress(peewee.PeeweeException):
                self.peewee.close()


def known_epoch(row: Row | None) -> str:
    """The epoch of a row that begins with it.

    Raises:
        DependencyUnavailable: when the database has no name for its history.
    """
    if row is None or row[0] is None:
        raise DependencyUnavailable("database")
    return str(row[0])


def _call(work: Callable[[], T]) -> T:
    return work()


def lacks_rights(error: BaseException) -> bool:
    """Whether the role of the connection may not do what it tried, or may only read."""
    return _pgcode(error) in ("42501", "25006")


def _pgcode(error: BaseException) -> str | None:
    """PostgreSQL's code of the error; peewee keeps the driver's own error in `orig`."""
    code: str | None = getattr(getattr(error, "orig", error), "pgcode", None)
    return code


def _is_conflict(error: Exception) -> bool:
    """Whether PostgreSQL undid the transaction because of another: deadlock or serialization."""
    return _pgcode(error) in ("40001", "40P01")


def _is_outdated(error: Exception) -> bool:
    """Whether the connection can't use what it keeps prepared.

    Either a newer version changed a column's type, or somebody made the connection forget.
    """
    return _pgcode(error) in ("0A000", "26000")


def _is_lost(error: Exception) -> bool:
    """Whether the connection ended, by itself or because PostgreSQL shuts down."""
    code = _pgcode(error)
    return code is None or code.startswith(("08", "57P"))


def _is_full(error: BaseException) -> bool:
    """Whether the disk is full."""
    return any("disk is full" in str(e) or _pgcode(e) == "53100" for e in _with_causes(error))


def _is_too_slow(error: BaseException) -> bool:
    """Whether the statement was stopped because it took too long."""
    return any(str(e) == "interrupted" or _pgcode(e) == "57014" for e in _with_causes(error))


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those before it.

    When SQLite ends a transaction by itself, peewee's rollback fails and hides the reason.
    """
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def connect(url: str, connections: int) -> Database:
    """The database at `url`; does not look whether its tables are there.

    Raises:
        SettingsInvalid: when the address names no database that we know.
    """
    try:
        path, scheme = sqlite_path(url), urlsplit(url).scheme
    except ValueError as error:
        raise SettingsInvalid(f"RUSHES_DATABASE_URL: {error}") from None
    if path is not None:
        return _sqlite(path)
    if scheme in ("postgres", "postgresql"):
        return Database(Postgres(url, connections), Dialect.POSTGRES)
    raise SettingsInvalid("RUSHES_DATABASE_URL must begin with sqlite:/// or postgresql://")


def _sqlite(path: Path) -> Database:
    try:
        file = open_sqlite(path)
    except OSError as error:
        raise SettingsInvalid(f"RUSHES_DATABASE_URL: {path}: {error.strerror}") from None
    return Database(file, Dialect.SQLITE, Writer(path.with_name("write.lock")))
