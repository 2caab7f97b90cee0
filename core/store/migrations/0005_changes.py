"""Makes room for changes of a user that are no events of a job."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the column. Every row so far is an event of a job, which the default says of it."""
    db.execute_sql("ALTER TABLE job_event ADD COLUMN kind TEXT NOT NULL DEFAULT 'job'")
