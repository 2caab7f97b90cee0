"""The hub that a test of watching runs on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from core.process.settings import read_settings
from tests.services import Valkey
from tests.unit.server.watch.place import Place


@pytest_asyncio.fixture
async def place(tmp_path: Any, valkey: Valkey) -> AsyncIterator[Place]:
    made = Place(read_settings(data_dir=tmp_path, redis_url=valkey.url, compare_seconds=0.2))
    await made.start()
    try:
        yield made
    finally:
        await made.close()
