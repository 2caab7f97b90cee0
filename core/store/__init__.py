"""The truth: jobs, events, media and who runs what, in SQLite or PostgreSQL.

Only this package imports peewee. Its functions take the `Database` first. Each state change is one
transaction with this lock order: user_stream, job rows, media rows, user_storage, the user's
budget, the installation's.
"""

from core.process.settings import Settings
from core.store import parts as parts  # names the parts of all statements below
from core.store.engine.database import Database, connect
from core.store.engine.migrate import migrate

__all__ = ["Database", "open_database"]


def open_database(settings: Settings) -> Database:
    """The database of the settings, with its tables up to date.

    Raises:
        SettingsInvalid: when its address makes no sense.
        DataNewer: when a newer version of Rushes wrote it.
        DependencyUnavailable: when it can't be reached.
    """
    db = connect(settings.database, settings.database_connections)
    migrate(db)
    return db
