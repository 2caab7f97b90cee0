"""What several files of the crash suite share: a client, and a PostgreSQL that may be killed."""

from collections.abc import Iterator

import pytest

from rushes import Client
from tests.crash.installation import Installation
from tests.services import Postgres


@pytest.fixture(scope="module")
def fragile_postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(house: Installation) -> Iterator[Client]:
    """A client of the installation that the test's file calls `house`."""
    with house.client() as made:
        yield made
