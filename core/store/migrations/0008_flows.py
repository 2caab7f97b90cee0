"""Keeps what claims would have to count: how many jobs of a user run, and who waits where."""

from typing import Any

TABLES = """
    ALTER TABLE user_stream ADD COLUMN running INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE user_stream ADD COLUMN busy BOOLEAN NOT NULL DEFAULT FALSE;
    CREATE TABLE flow (
        user_id TEXT NOT NULL,
        queue TEXT NOT NULL,
        provider TEXT NOT NULL,
        waiting INTEGER NOT NULL,
        turn BIGINT NOT NULL,
        job_id TEXT NOT NULL,
        last_turn BIGINT NOT NULL,
        busy BOOLEAN NOT NULL,
        PRIMARY KEY (user_id, queue, provider)
    );
    CREATE TABLE queue_ranks (
        queue TEXT NOT NULL PRIMARY KEY,
        publish_time BIGINT NOT NULL,
        took_ms INTEGER NOT NULL,
        ranks TEXT NOT NULL
    );
    CREATE INDEX flow_first ON flow (queue, provider, turn, job_id) WHERE NOT busy;
    CREATE INDEX job_flow ON job (user_id, queue, provider, turn, job_id) WHERE state = 'QUEUED';
    CREATE INDEX job_unfinished ON job (queue, state, user_id)
        WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING');
    DROP INDEX job_due;
    CREATE INDEX job_due ON job (queue, next_run_time)
        WHERE state IN ('RUNNING', 'RECONCILING') AND (step <> 'POLL' OR state = 'RECONCILING');
    UPDATE user_stream SET running = (
        SELECT count(*) FROM job
        WHERE job.user_id = user_stream.user_id AND job.state = 'RUNNING'
    )
    WHERE user_id IN (
        SELECT user_id FROM job
        WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND state = 'RUNNING'
    );
    INSERT INTO flow (user_id, queue, provider, waiting, turn, job_id, last_turn, busy)
    SELECT user_id, queue, provider, count(*), min(turn), (
            SELECT first.job_id FROM job first
            WHERE first.user_id = job.user_id AND first.queue = job.queue
                AND first.provider = job.provider AND first.state = 'QUEUED'
            ORDER BY first.turn, first.job_id LIMIT 1
        ), max(turn), FALSE
    FROM job WHERE state = 'QUEUED' GROUP BY user_id, queue, provider
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the table, and fills it with what waits and runs."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
