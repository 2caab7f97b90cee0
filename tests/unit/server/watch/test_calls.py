"""One call of WatchJobs."""

from typing import Any
from unittest.mock import Mock

import grpc
import pytest

from server.watch import calls
from server.watch.calls import WatchCalls

pytestmark = pytest.mark.asyncio
PARTS = ("settings", "db", "pool", "queues", "stream", "mapper", "tokens")


async def test_a_caller_that_goes_while_it_is_written_to_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Gone:
        def __init__(self, **_: Any) -> None:
            pass

        async def serve(self) -> None:
            raise grpc.aio.InternalError("Failed: grpc_call_start_batch")

    monkeypatch.setattr(calls, "Watcher", Gone)
    watch = WatchCalls(**{name: Mock() for name in PARTS})
    await watch.serve(Mock(user_id="alice"), Mock(parts=0), Mock())
