"""Counts the bytes of media that each user keeps."""

from typing import Any

TABLES = """
    CREATE TABLE user_storage (
        user_id TEXT NOT NULL PRIMARY KEY,
        used_bytes BIGINT NOT NULL
    );
    INSERT INTO user_storage (user_id, used_bytes)
        SELECT user_id, sum(size_bytes) FROM media GROUP BY user_id
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the table and counts what there is."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
