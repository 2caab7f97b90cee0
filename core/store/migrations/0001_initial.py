"""The first tables. Plain DDL that both databases read; a test compares it with the models."""

from typing import Any

TABLES = """
    CREATE TABLE job (
        job_id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        queue TEXT NOT NULL,
        spec TEXT NOT NULL,
        labels TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        state TEXT NOT NULL,
        step TEXT NOT NULL,
        operation TEXT NOT NULL,
        revision BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        attempt INTEGER NOT NULL,
        worker_id TEXT,
        lease_expire_time BIGINT,
        next_run_time BIGINT,
        turn BIGINT NOT NULL,
        stage TEXT NOT NULL,
        percent INTEGER NOT NULL,
        progress_message TEXT NOT NULL,
        failure TEXT,
        cost_state TEXT NOT NULL,
        cost_estimated BIGINT NOT NULL,
        cost_actual BIGINT,
        price_revision TEXT NOT NULL,
        cancel_request_time BIGINT,
        cancel_reason TEXT NOT NULL,
        retry_of TEXT NOT NULL,
        request_id TEXT NOT NULL,
        final_prompt TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        start_time BIGINT,
        end_time BIGINT,
        start_deadline BIGINT,
        finish_deadline BIGINT
    );
    CREATE INDEX job_user ON job (user_id, create_time, job_id);
    CREATE INDEX job_user_state ON job (user_id, state);
    CREATE INDEX job_waiting ON job (queue, turn, job_id) WHERE state = 'QUEUED';
    CREATE INDEX job_due ON job (queue, next_run_time) WHERE state IN ('RUNNING', 'RECONCILING');
    CREATE INDEX job_deadline ON job (finish_deadline)
        WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING');
    CREATE INDEX job_ended ON job (end_time) WHERE end_time IS NOT NULL;
    CREATE TABLE job_event (
        user_id TEXT NOT NULL,
        revision BIGINT NOT NULL,
        job_id TEXT NOT NULL,
        event_time BIGINT NOT NULL,
        payload TEXT NOT NULL,
        PRIMARY KEY (user_id, revision)
    );
    CREATE INDEX job_event_job ON job_event (job_id, revision);
    CREATE INDEX job_event_time ON job_event (event_time);
    CREATE TABLE job_label (
        user_id TEXT NOT NULL,
        label TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        job_id TEXT NOT NULL,
        PRIMARY KEY (user_id, label, create_time, job_id)
    );
    CREATE TABLE leader (
        name TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        lease_expire_time BIGINT NOT NULL
    );
    CREATE TABLE media (
        media_id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        output_index INTEGER NOT NULL,
        type TEXT NOT NULL,
        mime_type TEXT NOT NULL,
        size_bytes BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        duration_ms BIGINT,
        blob_key TEXT NOT NULL,
        thumbnail_key TEXT NOT NULL,
        title TEXT NOT NULL,
        prompt TEXT NOT NULL,
        revised_prompt TEXT NOT NULL,
        seed BIGINT,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        cost_micros BIGINT,
        generation_ms BIGINT,
        labels TEXT NOT NULL,
        starred BOOLEAN NOT NULL,
        has_content_credentials BOOLEAN NOT NULL,
        create_time BIGINT NOT NULL,
        delete_time BIGINT,
        purge_time BIGINT
    );
    CREATE INDEX media_user ON media (user_id, create_time, media_id);
    CREATE UNIQUE INDEX media_output ON media (job_id, output_index) WHERE job_id <> '';
    CREATE INDEX media_blob ON media (blob_key);
    CREATE INDEX media_purge ON media (purge_time) WHERE purge_time IS NOT NULL;
    CREATE TABLE media_label (
        user_id TEXT NOT NULL,
        label TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        media_id TEXT NOT NULL,
        PRIMARY KEY (user_id, label, create_time, media_id)
    );
    CREATE TABLE meta (
        name TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    );
    CREATE TABLE request_key (
        user_id TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        job_id TEXT NOT NULL,
        expire_time BIGINT NOT NULL,
        PRIMARY KEY (user_id, request_id)
    );
    CREATE INDEX request_key_expire ON request_key (expire_time);
    CREATE TABLE user_stream (
        user_id TEXT NOT NULL PRIMARY KEY,
        revision BIGINT NOT NULL,
        last_turn BIGINT NOT NULL
    );
    CREATE TABLE worker (
        worker_id TEXT NOT NULL PRIMARY KEY,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        queues TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        heartbeat_time BIGINT NOT NULL
    )
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the tables."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
