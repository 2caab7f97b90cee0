"""Tables for notifications, announcements and views."""

from typing import Any

TABLES = """
    ALTER TABLE user_stream ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE user_stream ADD COLUMN notification_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE user_stream ADD COLUMN notification_settings TEXT NOT NULL DEFAULT '';
    ALTER TABLE user_stream ADD COLUMN watched_time BIGINT;
    ALTER TABLE spending ADD COLUMN alerted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN apply_to_view TEXT NOT NULL DEFAULT '';
    ALTER TABLE job ADD COLUMN wish BIGINT NOT NULL DEFAULT 0;
    CREATE TABLE notification (
        notification_id TEXT NOT NULL PRIMARY KEY,
        user_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        severity TEXT NOT NULL,
        title TEXT NOT NULL,
        text TEXT NOT NULL,
        action TEXT NOT NULL DEFAULT '',
        job_id TEXT NOT NULL DEFAULT '',
        batch_id TEXT NOT NULL DEFAULT '',
        sender TEXT NOT NULL DEFAULT '',
        counts TEXT NOT NULL DEFAULT '',
        create_time BIGINT NOT NULL,
        read_time BIGINT,
        revision BIGINT NOT NULL
    );
    CREATE INDEX notification_user ON notification (user_id, revision, notification_id);
    CREATE INDEX notification_unread ON notification (user_id, revision, notification_id)
        WHERE read_time IS NULL;
    CREATE UNIQUE INDEX notification_job ON notification (job_id) WHERE job_id <> '';
    CREATE INDEX notification_time ON notification (create_time);
    CREATE INDEX user_stream_many ON user_stream (notification_count)
        WHERE notification_count > 1000;
    CREATE TABLE announcement (
        announcement_id TEXT NOT NULL PRIMARY KEY,
        severity TEXT NOT NULL,
        title TEXT NOT NULL,
        text TEXT NOT NULL,
        uri TEXT NOT NULL DEFAULT '',
        create_time BIGINT NOT NULL,
        expire_time BIGINT,
        change_time BIGINT NOT NULL,
        is_deleted BOOLEAN NOT NULL DEFAULT FALSE
    );
    CREATE INDEX announcement_time ON announcement (create_time, announcement_id);
    CREATE INDEX announcement_change ON announcement (change_time);
    CREATE TABLE announcement_read (
        user_id TEXT NOT NULL,
        announcement_id TEXT NOT NULL,
        read_time BIGINT NOT NULL,
        PRIMARY KEY (user_id, announcement_id)
    );
    CREATE INDEX announcement_read_by ON announcement_read (announcement_id);
    CREATE TABLE view (
        user_id TEXT NOT NULL,
        view TEXT NOT NULL,
        media_id TEXT NOT NULL DEFAULT '',
        looping BOOLEAN NOT NULL DEFAULT FALSE,
        job_id TEXT NOT NULL DEFAULT '',
        apply_time BIGINT NOT NULL,
        deleted_media_id TEXT NOT NULL DEFAULT '',
        wish BIGINT NOT NULL,
        PRIMARY KEY (user_id, view)
    );
    CREATE INDEX view_shown ON view (user_id, view) WHERE media_id <> '';
    CREATE INDEX view_media ON view (user_id, media_id) WHERE media_id <> '';
    CREATE INDEX view_deleted ON view (user_id, deleted_media_id) WHERE deleted_media_id <> ''
"""


def up(migrator: Any, db: Any) -> None:
    """Makes them."""
    for statement in TABLES.split(";"):
        db.execute_sql(statement)
