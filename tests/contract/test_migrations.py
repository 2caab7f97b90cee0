"""Migrations, on SQLite and PostgreSQL: from every version, at once, and never backwards."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import Model

from core.errors import DataNewer
from core.jobs import Cost, CostState
from core.process.settings import read_settings
from core.store import (
    Database,
    budgets,
    media_lists,
    models,
    open_database,
    transitions,
    usage_days,
)
from core.store.engine.database import connect
from core.store.engine.migrate import FOLDER, migrate, pending
from core.store.engine.sql import Dialect, Statement
from tests.making import accepted, new_media

VERSIONS = sorted(path.stem for path in FOLDER.glob("[0-9]*.py"))
# SQLite keeps both in the same way; the migrations say what PostgreSQL needs.
SQLITE_TYPES = {"BIGINT": "INTEGER", "BOOLEAN": "INTEGER"}
MIGRATE = """
import json, sys
from core.store.engine.database import connect
from core.store.engine.migrate import migrate

db = connect(sys.argv[1], 2)
sys.stdin.read()
ran = migrate(db)
print(json.dumps([ran, db.epoch()]))
db.close()
"""
APPLIED = Statement("SELECT name FROM schema_migration ORDER BY name")


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = connect(empty_url, 2)
    yield database
    database.close()


Schema = dict[str, dict[str, Any]]


def schema(db: Database) -> Schema:
    """Columns with type and nullability, primary keys and indexes of every table of ours."""
    with db.peewee.connection_context():
        tables = sorted(set(db.peewee.get_tables()) - {"schema_migration"})
        return {
            table: {
                "columns": {
                    column.name: (column_type(db, column.data_type), column.null)
                    for column in db.peewee.get_columns(table)
                },
                "primary key": db.peewee.get_primary_keys(table),
                "indexes": {
                    index.name: (index.unique, index.columns, condition(index.sql or ""))
                    for index in db.peewee.get_indexes(table)
                    if not is_of_primary_key(index.name)
                },
            }
            for table in tables
        }


def column_type(db: Database, name: str) -> str:
    return SQLITE_TYPES.get(name, name) if db.dialect is Dialect.SQLITE else name


def is_of_primary_key(index: str) -> bool:
    return index.startswith("sqlite_autoindex") or index.endswith("_pkey")


def condition(sql: str) -> str:
    """The WHERE of a partial index."""
    found = re.search(r"WHERE (.*)", re.sub(r"\s+", " ", sql))
    return found[1].strip() if found else ""


MODELS = [
    found
    for found in vars(models).values()
    if isinstance(found, type) and issubclass(found, Model) and found is not Model
]


def make_from_models(db: Database) -> None:
    with db.peewee.connection_context(), db.peewee.bind_ctx(MODELS):
        db.peewee.create_tables(MODELS)


def drop_all(db: Database) -> None:
    with db.peewee.connection_context():
        for table in db.peewee.get_tables():
            db.peewee.execute_sql(f'DROP TABLE "{table}"')


def test_the_tables_that_the_migrations_make_are_those_of_the_models(empty: Database) -> None:
    migrate(empty)
    migrated = schema(empty)
    drop_all(empty)
    make_from_models(empty)

    modelled = schema(empty)
    assert migrated.keys() == modelled.keys()
    for table in modelled:
        assert migrated[table] == modelled[table], table
    assert any(condition for t in modelled.values() for *_, condition in t["indexes"].values())


@pytest.mark.parametrize("version", [None, *VERSIONS[:-1]])
def test_every_earlier_version_comes_up_to_the_newest(empty: Database, version: str | None) -> None:
    # Given the database of an earlier version, or an empty one
    before = migrate(empty, version) if version else []

    # When this version starts
    ran = migrate(empty)

    # Then it is as if it had been made by it
    assert before + ran == VERSIONS
    upgraded = schema(empty)
    drop_all(empty)
    migrate(empty)
    assert upgraded == schema(empty)


def test_a_second_start_runs_nothing_and_keeps_the_epoch(empty: Database) -> None:
    assert migrate(empty) == VERSIONS
    epoch = empty.epoch()

    assert migrate(empty) == []
    assert empty.epoch() == epoch
    assert [row[0] for row in empty.rows(APPLIED)] == VERSIONS


def test_a_database_that_came_up_serves(empty_url: str) -> None:
    db = open_database(read_settings(database_url=empty_url))
    try:
        assert accepted(db).job.revision == 1
    finally:
        db.close()


def test_four_processes_at_once_migrate_once(empty_url: str, empty: Database) -> None:
    command = [sys.executable, "-c", MIGRATE, empty_url]
    pipe = subprocess.PIPE
    starters = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()
        starter.stdin = None
    answers = [json.loads(starter.communicate(timeout=60)[0]) for starter in starters]

    assert sorted(ran for ran, _ in answers) == [[], [], [], VERSIONS]
    assert {epoch for _, epoch in answers} == {empty.epoch()}


def test_a_newer_database_is_refused_and_left_as_it_is(empty_url: str, empty: Database) -> None:
    migrate(empty)
    future = Statement(
        "INSERT INTO schema_migration (name, applied) VALUES ('9999_from_the_future', :time)"
    )
    empty.write(lambda session: session.run(future, time="2030-01-01 00:00:00"))
    before = schema(empty)

    with pytest.raises(DataNewer, match="9999_from_the_future"):
        open_database(read_settings(database_url=empty_url))
    assert schema(empty) == before


def test_a_migration_that_breaks_leaves_nothing_and_keeps_no_lock(
    empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a migration that fails after it made a table
    folder = tmp_path / "migrations"
    folder.mkdir()
    broken = "def up(migrator, db):\n    db.execute_sql('CREATE TABLE half (x TEXT)')\n    1 / 0\n"
    (folder / "0001_broken.py").write_text(broken)

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[migrate.__module__], "FOLDER", folder)
        with pytest.raises(ZeroDivisionError):
            migrate(empty)

    # Then nothing of it is there, and the next start can go on
    assert "half" not in schema(empty)
    assert migrate(empty) == VERSIONS


def test_what_did_not_run_yet_is_named_and_nothing_is_changed(empty: Database) -> None:
    assert pending(empty) == VERSIONS
    assert schema(empty) == {}

    migrate(empty, VERSIONS[0])
    assert pending(empty) == VERSIONS[1:]

    migrate(empty)
    assert pending(empty) == []


def test_a_newer_database_is_refused_when_it_is_looked_at_too(empty: Database) -> None:
    migrate(empty)
    newer = Statement("UPDATE schema_migration SET name = '9999_later' WHERE name = :name")
    empty.write(lambda session: session.run(newer, name=VERSIONS[-1]))

    with pytest.raises(DataNewer, match="9999_later"):
        pending(empty)


def test_jobs_and_books_of_an_older_version_become_usage(empty: Database) -> None:
    # Given jobs of an older version, and what was booked for one that is forgotten
    migrate(empty)
    for cost in (5, 0):
        accepted(empty, cost=Cost(state=CostState.ESTIMATED, estimated_micros=cost))
    free = accepted(empty).job
    transitions.cancel(empty, "alice", free.job_id, "")
    accept_ms = empty.now_ms() - 40 * 24 * 3600 * 1000
    empty.write(lambda session: budgets.settle(session, "bob", accept_ms, 0, 70))
    empty.write(lambda session: budgets.settle(session, "alice", free.create_time, 0, 9))
    usage = "SELECT user_id, model, charged, reserved, unfinished, cancelled FROM usage_day"
    for statement in (
        "DROP TABLE usage_day",
        "DROP TABLE api_key",
        "DELETE FROM schema_migration WHERE name LIKE '0013%'",
    ):
        empty.write(lambda session, text=statement: session.run(Statement(text)))

    # When this version starts
    assert migrate(empty) == ["0013_accounts"]

    # Then usage says what they say, and what no job explains has no model
    assert sorted(empty.rows(Statement(usage))) == [
        ("alice", "", 9, 0, 0, 0),
        ("alice", "builtin-video", 0, 5, 2, 1),
        ("bob", "", 70, 0, 0, 0),
    ]
    assert usage_days.different(empty, jobs_kept_days=30) == []


def test_items_of_an_older_version_are_found_by_their_words(empty: Database) -> None:
    # Given the library of a version that had no index
    migrate(empty, "0006_results")
    names = [f.column_name for f in models.MediaRow._meta.sorted_fields][:-2]
    item = {name: getattr(new_media(), name) for name in names}
    item |= {"prompt": "Ein großes Boot", "title": "Été", "labels": "{}"}
    insert = Statement(
        f"INSERT INTO media ({', '.join(names)}) VALUES ({', '.join(':' + n for n in names)})"
    )
    empty.write(lambda session: session.run(insert, **item))

    # When this version starts
    migrate(empty)

    # Then its words are found
    [found] = media_lists.list_page(empty, "alice", query="ete GROSSES", limit=2)
    assert found.media_id == item["media_id"]
