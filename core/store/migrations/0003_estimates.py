"""Columns for a percent by the clock: since when the operation runs, and that it is an estimate."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the columns."""
    db.execute_sql("ALTER TABLE job ADD COLUMN percent_estimated BOOLEAN NOT NULL DEFAULT FALSE")
    db.execute_sql("ALTER TABLE job ADD COLUMN submit_time BIGINT")
