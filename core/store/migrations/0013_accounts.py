"""API keys."""

from typing import Any

TABLES = """
    CREATE TABLE api_key (
        api_key_id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL,
        label TEXT NOT NULL,
        secret_prefix TEXT NOT NULL,
        secret_hash TEXT NOT NULL,
        scopes TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        last_use_time BIGINT,
        revoke_time BIGINT
    );
    CREATE UNIQUE INDEX api_key_secret ON api_key (secret_hash);
    CREATE INDEX api_key_user ON api_key (user_id, create_time, api_key_id);
    CREATE INDEX api_key_working ON api_key (user_id, end_time);
    CREATE INDEX api_key_end ON api_key (end_time)
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the tables."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
