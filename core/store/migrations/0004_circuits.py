"""Whose failures a circuit counts, and which job tries the provider again."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the columns."""
    db.execute_sql("ALTER TABLE circuit ADD COLUMN submit_failed BOOLEAN NOT NULL DEFAULT FALSE")
    db.execute_sql("ALTER TABLE circuit ADD COLUMN trial TEXT NOT NULL DEFAULT ''")
