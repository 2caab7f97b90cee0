"""A table for recipes, which outlast their jobs, and what the provider calls a job's model."""

from typing import Any

STATEMENTS = """
    CREATE TABLE recipe (
        media_id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        spec TEXT NOT NULL,
        inputs TEXT NOT NULL DEFAULT '[]',
        final_prompt TEXT NOT NULL DEFAULT '',
        provider_model TEXT NOT NULL DEFAULT '',
        price_revision TEXT NOT NULL DEFAULT '',
        submit_time BIGINT,
        rushes_version TEXT NOT NULL DEFAULT '',
        format INTEGER NOT NULL
    );
    ALTER TABLE job ADD COLUMN provider_model TEXT NOT NULL DEFAULT ''
"""


def up(migrator: Any, db: Any) -> None:
    """Makes both."""
    for statement in STATEMENTS.split(";"):
        db.execute_sql(statement)
