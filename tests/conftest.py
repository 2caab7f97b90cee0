"""Fixtures that every suite shares: real services, databases, and settings of one test."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from core.process.settings import Settings, read_settings
from core.store import Database, open_database
from tests.services import Postgres, Valkey, valkey_binary

for name in [name for name in os.environ if name.startswith("RUSHES_")]:
    del os.environ[name]
# Tests start processes while gRPC runs: its fork handlers can hang the child before its exec.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
# A shell's background job ignores SIGINT, and one of nohup SIGHUP. Processes that tests start and
# interrupt would inherit that.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        by_python = number is signal.SIGINT
        signal.signal(number, signal.default_int_handler if by_python else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def loggers_stay_free() -> Iterator[None]:
    """Fails a test after which loggers would keep their configuration: others read log lines."""
    yield
    assert not structlog.get_config()["cache_logger_on_first_use"]


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="rushes-", dir="/tmp") as folder:
        server = Valkey(valkey_binary(), Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """A running, empty Valkey."""
    if not valkey_server.answers():
        valkey_server.kill()
        valkey_server.start()
    valkey_server.flush()
    return valkey_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """A database with all tables, to be copied."""
    name = postgres.new_database()
    open_database(read_settings(database_url=postgres.url(name))).close()
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, of each kind."""
    yield from _new_database(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    yield from _new_database(request, tmp_path, "postgres_template")


def _new_database(request: pytest.FixtureRequest, tmp_path: Path, *templates: str) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/rushes.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.new_database(*map(request.getfixturevalue, templates))
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = open_database(read_settings(database_url=database_url))
    yield database
    database.close()


@pytest.fixture
def settings(tmp_path: Path, valkey: Valkey) -> Settings:
    """Settings of a house in a folder of its own, on SQLite and the test's Valkey."""
    return read_settings(data_dir=tmp_path, redis_url=valkey.url, user_requests_per_second=10_000)
