"""Tables for webhooks and their deliveries, and the user's column of the webhooks that are on."""

from typing import Any

TABLES = """
    ALTER TABLE user_stream ADD COLUMN webhooks TEXT NOT NULL DEFAULT '';
    CREATE TABLE webhook (
        webhook_id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL,
        url TEXT NOT NULL,
        kinds TEXT NOT NULL,
        labels TEXT NOT NULL,
        description TEXT NOT NULL,
        state TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        enable_time BIGINT NOT NULL,
        success_time BIGINT,
        failing_time BIGINT,
        failure_count INTEGER NOT NULL DEFAULT 0,
        salt TEXT NOT NULL,
        former_salt TEXT NOT NULL DEFAULT '',
        former_until BIGINT NOT NULL DEFAULT 0
    );
    CREATE INDEX webhook_user ON webhook (user_id, create_time, webhook_id);
    CREATE TABLE delivery (
        delivery_id TEXT NOT NULL PRIMARY KEY,
        webhook_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        revision BIGINT NOT NULL,
        job_id TEXT NOT NULL,
        state TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        next_try_time BIGINT,
        fence INTEGER NOT NULL DEFAULT 0,
        once BOOLEAN NOT NULL DEFAULT FALSE,
        try_count INTEGER NOT NULL DEFAULT 0,
        try_time BIGINT,
        response_status INTEGER NOT NULL DEFAULT 0,
        response_text TEXT NOT NULL DEFAULT '',
        response_ms BIGINT,
        error TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX delivery_due ON delivery (next_try_time) WHERE state = 'PENDING';
    CREATE INDEX delivery_pending ON delivery (webhook_id, next_try_time)
        WHERE state = 'PENDING';
    CREATE INDEX delivery_webhook ON delivery (webhook_id, state, create_time, delivery_id);
    CREATE INDEX delivery_time ON delivery (create_time)
"""


def up(migrator: Any, db: Any) -> None:
    """Makes them."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
