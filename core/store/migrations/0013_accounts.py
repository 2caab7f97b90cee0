"""API keys, and usage by user, day and model.

What there is of jobs becomes usage, which takes some seconds for a million. The budgets' books also
know what was spent for jobs that are forgotten, but not on which model: there the model is empty.
"""

from typing import Any

from peewee import SqliteDatabase

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
    CREATE INDEX api_key_end ON api_key (end_time);
    CREATE TABLE usage_day (
        user_id TEXT NOT NULL,
        day TEXT NOT NULL,
        model TEXT NOT NULL,
        charged BIGINT NOT NULL,
        reserved BIGINT NOT NULL,
        uncertain BIGINT NOT NULL,
        unfinished BIGINT NOT NULL,
        succeeded BIGINT NOT NULL,
        failed BIGINT NOT NULL,
        cancelled BIGINT NOT NULL,
        PRIMARY KEY (user_id, day, model)
    )
"""
INDEX = "CREATE INDEX usage_day_day ON usage_day (day)"
DAY = {
    True: "strftime('%Y-%m-%d', create_time / 1000, 'unixepoch')",
    False: "to_char(to_timestamp(create_time / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
JOBS = """
    INSERT INTO usage_day (user_id, day, model, charged, reserved, uncertain,
        unfinished, succeeded, failed, cancelled)
    SELECT user_id, {day}, model,
        sum(CASE WHEN cost_state = 'CHARGED' THEN cost_actual ELSE 0 END),
        sum(CASE WHEN end_time IS NULL THEN cost_estimated ELSE 0 END),
        sum(CASE WHEN end_time IS NOT NULL AND cost_state = 'UNCERTAIN'
            THEN cost_estimated ELSE 0 END),
        sum(CASE WHEN end_time IS NULL THEN 1 ELSE 0 END),
        sum(CASE WHEN state = 'SUCCEEDED' THEN 1 ELSE 0 END),
        sum(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END),
        sum(CASE WHEN state = 'CANCELLED' THEN 1 ELSE 0 END)
    FROM job GROUP BY user_id, {day}, model
"""
# Also what late operations of jobs that were free have cost.
BOOKS = """
    INSERT INTO usage_day (user_id, day, model, charged, reserved, uncertain,
        unfinished, succeeded, failed, cancelled)
    SELECT user_id, day, '', sum(spent), sum(reserved), 0, 0, 0, 0, 0
    FROM (
        SELECT substr(owner, 6) AS user_id, span AS day, spent, reserved
        FROM spending WHERE length(span) > 7 AND substr(owner, 1, 5) = 'user:'
        UNION ALL
        SELECT user_id, day, -charged - uncertain, -reserved FROM usage_day
    ) booked
    GROUP BY user_id, day
    HAVING sum(spent) > 0
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the tables and fills them from the jobs and the books."""
    sqlite = isinstance(db, SqliteDatabase)
    for statement in (TABLES + (" WITHOUT ROWID" if sqlite else "")).split(";"):
        db.execute_sql(statement)
    db.execute_sql(JOBS.format(day=DAY[sqlite]))
    db.execute_sql(BOOKS)
    db.execute_sql(INDEX)
