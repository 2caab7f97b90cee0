"""Tables for recipes, which outlast their jobs, and for exports; a job's model as its provider
calls it."""

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
    CREATE TABLE export (
        export_id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL,
        media_ids TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT NOT NULL
    );
    CREATE INDEX export_user ON export (user_id, create_time, export_id);
    CREATE INDEX export_expire ON export (expire_time);
    ALTER TABLE job ADD COLUMN provider_model TEXT NOT NULL DEFAULT ''
"""


def up(migrator: Any, db: Any) -> None:
    """Makes them."""
    for statement in STATEMENTS.split(";"):
        db.execute_sql(statement)
