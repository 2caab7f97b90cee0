"""Whether a job's percent is an estimate and not the provider's own."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Adds the column."""
    db.execute_sql("ALTER TABLE job ADD COLUMN percent_estimated BOOLEAN NOT NULL DEFAULT FALSE")
