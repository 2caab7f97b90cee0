"""Pauses of queues, what workers say of themselves, and indexes for lists over all users."""

from typing import Any

TABLES = """
    CREATE TABLE queue_pause (
        queue TEXT NOT NULL PRIMARY KEY,
        reason TEXT NOT NULL,
        pause_time BIGINT NOT NULL
    );
    ALTER TABLE worker ADD COLUMN threads INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE worker ADD COLUMN running INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE worker ADD COLUMN version TEXT NOT NULL DEFAULT '';
    ALTER TABLE worker ADD COLUMN drain_time BIGINT;
    CREATE INDEX job_live ON job (create_time, job_id)
        WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING');
    DROP INDEX spending_day;
    DROP INDEX spending_month;
    CREATE INDEX spending_day ON spending (span, owner) WHERE length(span) > 7;
    CREATE INDEX spending_month ON spending (span, owner) WHERE length(span) = 7
"""


def up(migrator: Any, db: Any) -> None:
    """Makes them."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
