"""Names the batch of each job, and finds the jobs of a batch."""

from typing import Any

COLUMN = """
    ALTER TABLE job ADD COLUMN batch_id TEXT NOT NULL DEFAULT '';
    CREATE INDEX job_batch ON job (batch_id, create_time, job_id) WHERE batch_id <> ''
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the column and the index."""
    for statement in COLUMN.split(";"):
        db.execute_sql(statement)
