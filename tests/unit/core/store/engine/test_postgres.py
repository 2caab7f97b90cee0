"""A PostgreSQL that does not answer: calls end in time, one tries it, and all go on after it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest

from core.errors import DependencyUnavailable
from core.process.settings import read_settings
from core.store import Database, open_database
from core.store.engine import postgres
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from tests.crash.proxy import Edge, Network
from tests.services import Postgres

SOCKET = ".s.PGSQL.5432"
ONE = Statement("SELECT 1")
LOCK = Statement("UPDATE meta SET value = 'locked' WHERE name = 'epoch'")


@pytest.fixture
def edge(postgres: Postgres) -> Iterator[Edge]:
    """What is between us and PostgreSQL."""
    network = Network()
    with TemporaryDirectory(prefix="rushes-", dir="/tmp") as folder:
        yield network.edge("postgres", Path(folder) / SOCKET, postgres.folder / SOCKET)
        network.close()


@pytest.fixture
def db(
    edge: Edge, postgres: Postgres, postgres_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A pool of two connections that loses patience soon."""
    for name, value in (("CALL_SECONDS", 1.0), ("TRY_SECONDS", 0.5), ("STATEMENT_MS", 400)):
        monkeypatch.setattr(f"core.store.engine.postgres.{name}", value)
    assert isinstance(edge.listen, Path)
    name = postgres.new_database(postgres_template)
    url = postgres.url(name).replace(str(postgres.folder), str(edge.listen.parent))
    database = open_database(read_settings(database_url=url, database_connections=2))
    yield database
    edge.pass_on()
    database.close()
    postgres.drop_database(name)


def answers(db: Database) -> bool:
    try:
        return db.row(ONE) == (1,)
    except DependencyUnavailable:
        return False


def test_a_statement_that_is_not_answered_ends_in_time(db: Database, edge: Edge) -> None:
    assert answers(db)
    edge.blackhole()
    with pytest.raises(DependencyUnavailable):
        db.write(lambda session: session.row(ONE))
    edge.pass_on()
    assert answers(db)


def test_a_connect_that_is_not_answered_ends_in_time(db: Database, edge: Edge) -> None:
    assert isinstance(db.peewee, postgres.Postgres)
    db.peewee.close_idle()
    edge.blackhole()
    with pytest.raises(DependencyUnavailable):
        db.row(ONE)
    edge.pass_on()
    assert answers(db)


def test_an_answer_that_comes_late_is_nobodys(db: Database, edge: Edge) -> None:
    def count(session: Session) -> object:
        return session.row(Statement("SELECT 41"))

    edge.blackhole()
    with pytest.raises(DependencyUnavailable):
        db.read(count)
    edge.pass_on()
    assert [db.row(ONE) for _ in range(4)] == [(1,)] * 4


def test_while_it_hangs_one_call_tries_it_and_the_others_are_refused_at_once(
    db: Database, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge.blackhole()
    assert not answers(db)
    # Given a call that would try for ever
    monkeypatch.setattr("core.store.engine.postgres.TRY_SECONDS", 60.0)
    with ThreadPoolExecutor(1) as other:
        begun = Event()

        def work(session: Session) -> bool:
            begun.set()
            return session.row(ONE) == (1,)

        # What hangs is the connect, before `work`.
        trying = other.submit(db.read, work)
        refusals = [answers(db) for _ in range(50)]
        assert not any(refusals)
        assert not begun.is_set()
        edge.pass_on()
        assert trying.result(20)
    assert answers(db)


def test_who_waits_for_a_lock_is_no_sign_that_it_hangs(db: Database) -> None:
    locked, done = Event(), Event()

    def hold(session: Session) -> None:
        session.run(LOCK)
        locked.set()
        assert done.wait(20)

    with ThreadPoolExecutor(1) as other:
        holding = other.submit(db.write, hold)
        assert locked.wait(20)
        with pytest.raises(DependencyUnavailable):
            db.write(lambda session: session.run(LOCK))
        assert answers(db)
        done.set()
        holding.result(20)


def test_a_pool_that_is_used_up_is_refused_and_is_whole_afterwards(db: Database) -> None:
    inside, done = [Event(), Event()], Event()

    def hold(number: int) -> None:
        def work(session: Session) -> None:
            inside[number].set()
            assert done.wait(20)

        db.read(work)

    with ThreadPoolExecutor(2) as others:
        held = [others.submit(hold, number) for number in range(2)]
        assert all(event.wait(20) for event in inside)
        assert not answers(db)
        done.set()
        for each in held:
            each.result(20)
    assert answers(db)


def test_a_lost_connection_gives_its_place_back(db: Database, edge: Edge) -> None:
    for _ in range(5):
        edge.cut()
        assert not answers(db)
        edge.pass_on()
        assert answers(db)
