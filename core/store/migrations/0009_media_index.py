"""The index of the library: words, labels, stars and the rest (`core.store.postings`).

Items that are there get their terms, which takes some minutes for a million; workers index them
afterwards. Labels had a table and keys of blobs an index, which nothing reads any more.
"""

import json
from typing import Any

from peewee import SqliteDatabase

from core.store.rows import terms_of

TABLES = """
    ALTER TABLE media ADD COLUMN ordinal BIGINT;
    ALTER TABLE media ADD COLUMN terms TEXT;
    DROP INDEX media_user;
    DROP INDEX media_blob;
    DROP TABLE media_label;
    CREATE TABLE media_segment (
        user_id TEXT NOT NULL,
        first_time BIGINT NOT NULL,
        first_ordinal BIGINT NOT NULL,
        last_time BIGINT NOT NULL,
        last_id TEXT NOT NULL,
        PRIMARY KEY (user_id, first_time, first_ordinal)
    );
    CREATE UNIQUE INDEX media_segment_ordinal ON media_segment (first_ordinal);
    CREATE TABLE media_posting (
        token BIGINT NOT NULL,
        block BIGINT NOT NULL,
        items TEXT NOT NULL,
        PRIMARY KEY (token, block)
    )
"""
# Made after the terms are there: on PostgreSQL, each change of a row costs every index.
INDEXES = """
    CREATE UNIQUE INDEX media_ordinal ON media (ordinal) WHERE ordinal IS NOT NULL;
    CREATE INDEX media_unindexed ON media (user_id, create_time, media_id) WHERE ordinal IS NULL
"""
NEXT = """
    SELECT media_id, title, prompt FROM media WHERE media_id > {value}
    ORDER BY media_id LIMIT 1000
"""
SET_TERMS = {
    True: """
    UPDATE media SET terms = json_extract(given.value, '$[1]') FROM json_each(?) given
    WHERE media.media_id = json_extract(given.value, '$[0]')
    """,
    False: """
    UPDATE media SET terms = given.value ->> 1 FROM json_array_elements(CAST(%s AS json)) given
    WHERE media.media_id = given.value ->> 0
    """,
}


# An item that is indexed leaves a dead entry in `media_unindexed`, where lists look for others. By
# default PostgreSQL would clean up only when a fifth of the table is dead.
CLEAN_SOONER = "ALTER TABLE media SET (autovacuum_vacuum_scale_factor = 0.02)"


def up(migrator: Any, db: Any) -> None:
    """Makes the tables. On SQLite, a table of small rows is half as large without row ids."""
    sqlite = isinstance(db, SqliteDatabase)
    for statement in (TABLES + (" WITHOUT ROWID" if sqlite else "")).split(";"):
        db.execute_sql(statement)
    _set_terms(db, sqlite)
    for statement in INDEXES.split(";"):
        db.execute_sql(statement)
    if not sqlite:
        db.execute_sql(CLEAN_SOONER)


def _set_terms(db: Any, sqlite: bool) -> None:
    last = ""
    following = NEXT.format(value="?" if sqlite else "%s")
    while rows := db.execute_sql(following, (last,)).fetchall():
        given = [(media_id, terms_of(title, prompt)) for media_id, title, prompt in rows]
        db.execute_sql(SET_TERMS[sqlite], (json.dumps(given),))
        last = rows[-1][0]
