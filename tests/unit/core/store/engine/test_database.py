"""Transactions on both databases, and what becomes of them when the database is gone or full."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg2
import pytest

from core.errors import DependencyUnavailable, SettingsInvalid, StorageFull
from core.process.settings import read_settings
from core.store import Database, open_database
from core.store.engine.database import Session, connect
from core.store.engine.sql import Statement
from tests.services import Postgres

PUT = Statement("INSERT INTO meta (name, value) VALUES (:name, :value)")
COUNT = Statement("SELECT count(*) FROM meta")
SELECT_ONE = Statement("SELECT 1")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = open_database(read_settings(data_dir=tmp_path))
    yield database
    database.close()


@pytest.fixture
def pooled(postgres: Postgres, postgres_template: str) -> Iterator[Database]:
    name = postgres.new_database(postgres_template)
    database = open_database(read_settings(database_url=postgres.url(name)))
    yield database
    database.close()
    postgres.drop_database(name)


def put(name: str, value: str = "v") -> "object":
    return lambda session: session.run(PUT, name=name, value=value)


def count(session: Session) -> int:
    row = session.row(COUNT)
    assert row is not None
    return int(row[0])


def end_connections(postgres: Postgres, database: Database) -> int:
    """Ends every server process of the database, as a restart of PostgreSQL does; their number."""
    name = database.peewee.database.split("?")[0].rsplit("/", 1)[-1]
    connection = psycopg2.connect(postgres.url())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = %s",
            (name,),
        )
        [ended] = cursor.fetchone() or [0]
    connection.close()
    return int(ended)


def fill_pool(database: Database, connections: int) -> None:
    """Makes the pool open as many connections as threads use it at once."""
    meet = Barrier(connections)

    def work(session: Session) -> None:
        session.row(SELECT_ONE)
        meet.wait(20)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(lambda _: database.read(work), range(connections)))


def test_a_read_sees_one_moment(db: Database) -> None:
    def work(session: Session) -> list[int]:
        before = count(session)
        with ThreadPoolExecutor(1) as other:
            other.submit(db.write, put("later")).result()  # type: ignore[arg-type]
        return [before, count(session)]

    before, after = db.read(work)
    assert before == after
    assert db.read(count) == before + 1


def test_a_write_gives_its_result_and_keeps_what_it_wrote(db: Database) -> None:
    assert db.write(put("name")) == 1  # type: ignore[arg-type]
    row = db.row(Statement("SELECT value FROM meta WHERE name = :name"), name="name")
    assert row == ("v",)


def test_values_come_back_as_they_were_given(db: Database) -> None:
    text = "50% of ' \" :name {now} \\ \u2028 🎬"
    db.write(put("name", text))  # type: ignore[arg-type]
    assert db.rows(Statement("SELECT value FROM meta WHERE name = :name"), name="name") == [(text,)]


def test_the_epoch_stays_and_differs_between_databases(db: Database, tmp_path: Path) -> None:
    other = open_database(read_settings(database_url=f"sqlite:///{tmp_path}/other.db"))
    try:
        assert db.epoch() == db.epoch()
        assert db.epoch() != other.epoch()
    finally:
        other.close()


def test_a_full_disk_is_told_and_nothing_is_half_written(sqlite: Database) -> None:
    def fill(session: Session) -> None:
        session.run(Statement("PRAGMA max_page_count = 1"))  # no more than it has
        for number in range(1000):
            session.run(PUT, name=f"big {number}", value="x" * 10_000)

    before = sqlite.read(count)
    with pytest.raises(StorageFull):
        sqlite.write(fill)
    assert sqlite.read(count) == before

    # When there is room again
    sqlite.write(lambda session: session.run(Statement("PRAGMA max_page_count = 1000000")))
    assert sqlite.write(put("small")) == 1  # type: ignore[arg-type]


def test_a_full_disk_of_postgresql_is_told(pooled: Database) -> None:
    full = Statement("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$")
    with pytest.raises(StorageFull):
        pooled.write(lambda session: session.run(full))
    assert pooled.write(put("small")) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_postgresql_undid_because_of_another_is_done_again(
    pooled: Database, code: str
) -> None:
    conflict = Statement(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$")
    tries: list[str] = []

    def work(session: Session) -> str:
        session.run(PUT, name="once", value="v")
        tries.append("tried")
        if len(tries) < 3:
            session.run(conflict)
        return "done"

    assert pooled.write(work) == "done"
    assert len(tries) == 3

    # And a conflict that stays is not tried for ever
    with pytest.raises(DependencyUnavailable):
        pooled.write(lambda session: session.run(conflict))


def test_a_restart_of_postgresql_costs_at_most_one_call(
    postgres: Postgres, pooled: Database
) -> None:
    # Given a pool with several connections, all of which the server ends
    fill_pool(pooled, 4)
    assert end_connections(postgres, pooled) == 4

    # Then one call may say so, and the next one works
    try:
        assert pooled.row(SELECT_ONE) == (1,)
    except DependencyUnavailable:
        assert pooled.row(SELECT_ONE) == (1,)
    fill_pool(pooled, 4)
    assert pooled.write(put("after")) == 1  # type: ignore[arg-type]


def test_a_connection_lost_inside_a_transaction_writes_nothing(
    postgres: Postgres, pooled: Database
) -> None:
    def work(session: Session) -> None:
        session.run(PUT, name="lost", value="v")
        end_connections(postgres, pooled)
        session.run(PUT, name="lost too", value="v")

    before = pooled.read(count)
    with pytest.raises(DependencyUnavailable):
        pooled.write(work)
    assert pooled.read(count) == before


def test_a_database_that_can_not_be_reached_is_unavailable(tmp_path: Path) -> None:
    settings = read_settings(database_url=f"postgresql://rushes@/x?host={tmp_path}")
    with pytest.raises(DependencyUnavailable):
        open_database(settings)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host/name",
        "rushes.db",
        "sqlite",
        "sqlite:///",
        "sqlite://rushes.db",
        "sqlite://host/rushes.db",
        "postgresql://[host/name",
        "sqlite:////dev/null/rushes.db",
    ],
)
def test_an_address_that_names_no_database_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsInvalid, match="RUSHES_DATABASE_URL"):
        connect(url, 1).close()
    assert list(tmp_path.iterdir()) == []


def test_four_slashes_name_an_absolute_path_and_three_a_relative_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    connect(f"sqlite:///{tmp_path}/there/absolute.db", 1).close()
    connect("sqlite:///relative.db", 1).close()
    connect("sqlite:///below/relative.db", 1).close()

    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")}
    assert found == {"there/absolute.db", "here/relative.db", "here/below/relative.db"}


@pytest.mark.parametrize("folder", ["a folder", "50%", "a%20b", "C#", "what?", "ü"])
def test_the_default_database_lies_in_the_data_folder_whatever_its_name(
    tmp_path: Path, folder: str
) -> None:
    open_database(read_settings(data_dir=tmp_path / folder)).close()

    assert (tmp_path / folder / "rushes.db").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [folder]
