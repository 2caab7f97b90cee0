"""Finds given bytes by their hash, and never a user's whole library instead of a page of it."""

from typing import Any

STATEMENTS = """
    DROP INDEX media_sha256;
    CREATE INDEX media_hash ON media (sha256, user_id)
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the index anew, with the hash first."""
    for statement in STATEMENTS.split(";"):
        db.execute_sql(statement)
