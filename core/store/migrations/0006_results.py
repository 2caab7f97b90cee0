"""The record that a job makes whose kind makes no media items."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the column."""
    db.execute_sql("ALTER TABLE job ADD COLUMN result TEXT")
