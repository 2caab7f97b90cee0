"""Keeps views by the bytes of their names, and finds those that show nothing any more."""

from typing import Any

from peewee import SqliteDatabase

# PostgreSQL would sort all of a user's views for each page, whose names go by bytes.
INDEXES = """
    DROP INDEX view_shown;
    CREATE INDEX view_shown ON view (user_id, view {by_bytes}) WHERE media_id <> '';
    CREATE INDEX view_cleared ON view (apply_time) WHERE media_id = '';
    CREATE INDEX job_view ON job (user_id, apply_to_view)
        WHERE apply_to_view <> '' AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the indexes."""
    by_bytes = "COLLATE BINARY" if isinstance(db, SqliteDatabase) else 'COLLATE "C"'
    for statement in INDEXES.format(by_bytes=by_bytes).split(";"):
        db.execute_sql(statement)
