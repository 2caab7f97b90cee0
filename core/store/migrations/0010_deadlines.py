"""Keeps the index of deadlines for statements about deadlines.

PostgreSQL took it for a short list of all jobs that have not ended, and read it whole for others.
"""

from typing import Any

INDEX = """
    DROP INDEX job_deadline;
    CREATE INDEX job_deadline ON job (finish_deadline)
        WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND finish_deadline IS NOT NULL
"""


def up(migrator: Any, db: Any) -> None:
    """Makes it anew."""
    for statement in INDEX.split(";"):
        db.execute_sql(statement)
