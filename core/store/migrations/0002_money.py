"""Intents, budgets and circuits: what paying once and not too much needs."""

from typing import Any

TABLES = """
    ALTER TABLE job ADD COLUMN at_risk BOOLEAN NOT NULL DEFAULT FALSE;
    ALTER TABLE job ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE intent (
        job_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        user_id TEXT NOT NULL,
        worker_id TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        micros BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        operation TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        outcome_time BIGINT,
        PRIMARY KEY (job_id, number)
    );
    CREATE INDEX intent_unsettled ON intent (create_time) WHERE outcome IN ('OPEN', 'UNKNOWN');
    CREATE TABLE budget (
        owner TEXT NOT NULL,
        period TEXT NOT NULL,
        limit_micros BIGINT NOT NULL,
        PRIMARY KEY (owner, period)
    );
    CREATE TABLE spending (
        owner TEXT NOT NULL,
        span TEXT NOT NULL,
        reserved BIGINT NOT NULL,
        spent BIGINT NOT NULL,
        PRIMARY KEY (owner, span)
    );
    CREATE TABLE circuit (
        provider TEXT NOT NULL PRIMARY KEY,
        failures INTEGER NOT NULL,
        open_until BIGINT NOT NULL
    );
    CREATE INDEX job_start_deadline ON job (start_deadline)
        WHERE state = 'QUEUED' AND start_deadline IS NOT NULL;
    CREATE INDEX job_reached ON job (queue, turn) WHERE start_time IS NOT NULL;
    CREATE INDEX job_poll ON job (next_run_time) WHERE state = 'RUNNING' AND step = 'POLL';
    CREATE INDEX job_model ON job (model, end_time) WHERE state = 'SUCCEEDED'
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the tables."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
