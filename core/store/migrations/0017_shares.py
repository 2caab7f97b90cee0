"""A table for shares with users and by link."""

from typing import Any

TABLES = """
    CREATE TABLE share (
        share_id TEXT NOT NULL PRIMARY KEY,
        media_id TEXT NOT NULL,
        media_type TEXT NOT NULL,
        owner_user_id TEXT NOT NULL,
        user_id TEXT NOT NULL DEFAULT '',
        message TEXT NOT NULL DEFAULT '',
        with_recipe BOOLEAN NOT NULL DEFAULT FALSE,
        create_time BIGINT NOT NULL,
        expire_time BIGINT NOT NULL,
        revoke_time BIGINT,
        end_time BIGINT NOT NULL,
        ended BOOLEAN NOT NULL DEFAULT FALSE
    );
    CREATE INDEX share_owner ON share (owner_user_id, create_time, share_id);
    CREATE INDEX share_lasting ON share (owner_user_id, create_time, share_id) WHERE NOT ended;
    CREATE INDEX share_item ON share (media_id, create_time, share_id);
    CREATE INDEX share_item_lasting ON share (media_id, create_time, share_id) WHERE NOT ended;
    CREATE INDEX share_with ON share (user_id, create_time, share_id)
        WHERE user_id <> '' AND NOT ended;
    CREATE INDEX share_with_type ON share (user_id, media_type, create_time, share_id)
        WHERE user_id <> '' AND NOT ended;
    CREATE INDEX share_with_item ON share (user_id, media_id)
        WHERE user_id <> '' AND NOT ended;
    CREATE INDEX share_expired ON share (end_time) WHERE NOT ended;
    CREATE INDEX share_ended ON share (end_time) WHERE ended
"""


def up(migrator: Any, db: Any) -> None:
    """Makes it."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
