"""A running server for each test."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.house import House, LoopThread, close_house, open_house
from tests.rpc.paid import write_models
from tests.services import Valkey


@pytest.fixture(scope="session")
def house_loop() -> Iterator[LoopThread]:
    """The event loop that the servers of this run share."""
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture
def house(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server with an empty database, and callers for it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    opened = open_house(house_loop, tmp_path / "data", valkey.url, webhooks="loopback")
    yield opened
    close_house(house_loop, opened)
    structlog.reset_defaults()


@pytest.fixture
def paid_house(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """The same, with models that cost something (`tests.rpc.paid`)."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    models = write_models(tmp_path)
    opened = open_house(house_loop, tmp_path / "data", valkey.url, models_file=models)
    yield opened
    close_house(house_loop, opened)
    structlog.reset_defaults()
