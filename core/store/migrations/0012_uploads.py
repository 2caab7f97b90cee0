"""Keeps unfinished uploads, and finds the items that have given bytes."""

from typing import Any

TABLES = """
    CREATE TABLE upload (
        media_id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL,
        size_bytes BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        parts TEXT NOT NULL,
        kept_bytes BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        lease_expire_time BIGINT,
        expire_time BIGINT NOT NULL
    );
    CREATE INDEX upload_user ON upload (user_id);
    CREATE UNIQUE INDEX upload_sha256 ON upload (user_id, sha256) WHERE sha256 <> '';
    CREATE INDEX upload_expire ON upload (expire_time);
    CREATE INDEX media_sha256 ON media (user_id, sha256)
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the table and the index."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
