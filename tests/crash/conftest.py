"""A PostgreSQL of the crash suite's own, which it may freeze, kill and start again."""

from collections.abc import Iterator

import pytest

from tests.services import Postgres


@pytest.fixture(scope="module")
def fragile_postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.stop()
