"""What a transaction keeps back and sends together, and what connections keep prepared."""

from collections.abc import Callable, Iterator
from typing import Any

import peewee
import psycopg2
import pytest

from core.settings import read_settings
from core.store import Database, open_database
from core.store.database import Session
from core.store.sql import Statement
from tests.services import Postgres

PUT = Statement("INSERT INTO meta (name, value) VALUES (:name, 'v')")
NAMES = Statement("SELECT name FROM meta WHERE name LIKE 'put %' ORDER BY name")
LARGER = Statement("SELECT CASE WHEN :one > :other THEN :one ELSE :other END")
END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"


@pytest.fixture
def name(postgres: Postgres, postgres_template: str) -> Iterator[str]:
    """A database of PostgreSQL."""
    made = postgres.new_database(postgres_template)
    yield made
    postgres.drop_database(made)


@pytest.fixture
def pooled(postgres: Postgres, name: str) -> Iterator[Database]:
    database = open_database(read_settings(database_url=postgres.url(name)))
    yield database
    database.close()


@pytest.fixture
def sent(pooled: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to PostgreSQL, each in one round trip."""
    texts: list[str] = []
    send: Callable[..., Any] = pooled.peewee.execute_sql

    def keep(sql: str, params: Any = None) -> Any:
        texts.append(sql)
        return send(sql, params)

    monkeypatch.setattr(pooled.peewee, "execute_sql", keep)
    return texts


def put(*names: str, then: Exception | None = None) -> Callable[[Session], None]:
    def work(session: Session) -> None:
        for name in names:
            session.later(PUT, name=f"put {name}")
        if then is not None:
            raise then

    return work


def names(db: Database) -> list[str]:
    return [row[0].removeprefix("put ") for row in db.rows(NAMES)]


def test_what_is_kept_back_is_there_after_the_commit(db: Database) -> None:
    db.write(put("a", "b"))
    assert names(db) == ["a", "b"]


def test_what_is_kept_back_is_seen_by_the_next_statement(db: Database) -> None:
    def work(session: Session) -> int:
        put("a")(session)
        return len(session.rows(NAMES))

    assert db.write(work) == 1


def test_what_is_kept_back_is_rolled_back_with_all_else(db: Database) -> None:
    def work(session: Session) -> None:
        put("a")(session)
        assert len(session.rows(NAMES)) == 1
        put("b", then=KeyError("no"))(session)

    for broken in (work, put("c", then=KeyError("no"))):
        with pytest.raises(KeyError):
            db.write(broken)
    assert names(db) == []
    db.write(put("d"))
    assert names(db) == ["d"]


def test_an_error_of_what_is_kept_back_is_raised_and_nothing_is_stored(db: Database) -> None:
    with pytest.raises(peewee.IntegrityError):
        db.write(put("a", "b", "a", "c"))
    assert names(db) == []
    db.write(put("a"))
    assert names(db) == ["a"]


def test_a_statement_that_is_the_whole_transaction_is_kept(db: Database) -> None:
    assert db.write(lambda session: session.run(PUT, name="put a"), alone=True) == 1
    db.write(put("b"), alone=True)
    assert names(db) == ["a", "b"]


def test_a_transaction_is_sent_at_once_and_prepared_once(pooled: Database, sent: list[str]) -> None:
    pooled.write(put("a", "b"))
    pooled.write(put("c", "d"))
    first, second = sent
    assert (first.count("PREPARE"), first.count("EXECUTE")) == (1, 2)
    assert (second.count("PREPARE"), second.count("EXECUTE")) == (0, 2)
    for text in sent:
        assert text.startswith("BEGIN; ")
        assert text.endswith("; COMMIT")


def test_a_transaction_without_statements_is_not_sent(pooled: Database, sent: list[str]) -> None:
    pooled.write(put())
    with pytest.raises(KeyError):
        pooled.write(put("a", then=KeyError("no")))
    assert sent == []


def test_numbers_are_compared_as_numbers(db: Database) -> None:
    assert [db.row(LARGER, one=one, other=10) for one in (9, 11)] == [(10,), (11,)]


def test_a_new_connection_prepares_again(postgres: Postgres, name: str, pooled: Database) -> None:
    # Given a connection that the server ends while nobody uses it
    pooled.write(put("a"))
    with psycopg2.connect(postgres.url()) as other, other.cursor() as cursor:
        cursor.execute(END, (name,))
    other.close()

    # Then the next read notices, and what was prepared is prepared on the next one
    assert names(pooled) == ["a"]
    pooled.write(put("b"))
    assert names(pooled) == ["a", "b"]


def test_a_statement_whose_first_use_failed_can_be_used_again(pooled: Database) -> None:
    pooled.write(put("a"))
    new = Statement("INSERT INTO meta (name, value) VALUES (:name, 'again')")
    for _ in range(2):
        with pytest.raises(peewee.IntegrityError):
            pooled.write(lambda session: session.run(new, name="put a"))
    assert pooled.write(lambda session: session.run(new, name="put b")) == 1
    assert names(pooled) == ["a", "b"]


def test_old_plans_are_forgotten_in_passing(
    pooled: Database, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.postgres._PLAN_SECONDS", -1.0)
    pooled.write(put("a"))
    assert names(pooled) == pooled.read(lambda s: [r[0][4:] for r in s.rows(NAMES)]) == ["a"]
    assert [text.count("DISCARD PLANS") for text in sent] == [1, 1, 1, 1]
