"""Brings the tables up to date at start. It holds a lock, so that processes may start together."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from peewee import DatabaseError
from playhouse.migrations import Runner

from core.errors import DataNewer, SettingsInvalid
from core.ids import new_id
from core.process import failpoints
from core.store.engine.database import Database, Session, lacks_rights
from core.store.engine.sql import Dialect, Statement

FOLDER = Path(__file__).parent.with_name("migrations")
_LOCK_NUMBER = 0x72757368  # "rush"
_NOT_ALLOWED = (
    "RUSHES_DATABASE_URL: this role may not write, or may not make this version's tables;"
    " start once with the role that owns the database"
)
_NAME = Statement("""
    INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING
""")


def migrate(db: Database, target: str | None = None) -> list[str]:
    """Runs the migrations that are missing, up to `target`, and gives their names.

    Raises:
        DataNewer: when the database knows migrations that this version does not.
        DependencyUnavailable: when it can't be reached.
        SettingsInvalid: when its role may not do that.
    """
    db.now_ms()  # raises our own error when the database can't be reached
    try:
        return _migrate(db, target)
    except DatabaseError as error:
        if lacks_rights(error):
            raise SettingsInvalid(_NOT_ALLOWED) from None
        raise


def _migrate(db: Database, target: str | None) -> list[str]:
    with db.peewee.connection_context(), _lock(db):
        runner = Runner(db.peewee, str(FOLDER))
        _refuse_newer(runner)
        done: list[str] = []
        for migration in runner.status():
            if migration.applied is None:
                done += runner.up(migration.name)
                failpoints.hit("migrate.middle")
            if migration.name == target:
                break
    db.write(_name)
    return done


def pending(db: Database) -> list[str]:
    """Names of the migrations that did not run yet; changes nothing.

    Raises:
        DataNewer: when the database knows migrations that this version does not.
        DependencyUnavailable: when it can't be reached.
    """
    db.now_ms()
    with db.peewee.connection_context():
        runner = Runner(db.peewee, str(FOLDER))
        _refuse_newer(runner)
        return [migration.name for migration in runner.status() if migration.applied is None]


def _name(session: Session) -> None:
    """Draws names for the history and the installation, once."""
    for name in ("epoch", "installation"):
        session.run(_NAME, name=name, value=new_id())


def _refuse_newer(runner: Runner) -> None:
    known = {migration.name for migration in runner.migrations()}
    newer = sorted(set(runner.applied()) - known)
    if newer:
        raise DataNewer(f"The database was written by a newer version of Rushes ({newer[-1]}).")


@contextlib.contextmanager
def _lock(db: Database) -> Iterator[None]:
    if db.dialect is Dialect.SQLITE:
        lock = os.open(f"{db.peewee.database}.migrate.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
        return
    db.peewee.execute_sql("SET statement_timeout = 0; SET lock_timeout = 0")
    db.peewee.execute_sql(f"SELECT pg_advisory_lock({_LOCK_NUMBER})")
    try:
        yield
    finally:
        db.peewee.execute_sql(f"SELECT pg_advisory_unlock({_LOCK_NUMBER})")
        db.peewee.execute_sql("RESET statement_timeout; RESET lock_timeout")
