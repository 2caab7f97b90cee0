"""Server-sent events and tickets through the edge: the HTTP process serves them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.edge.conftest import RunningEdge, StartEdge
from tests.edge.stand_in import StandIn, serving
from tests.edge.wire import http
from tests.http_process import http_process
from tests.services import Valkey, wait_for_async
from tests.sse import Message
from tests.unit.server.http.scripted import Reader

pytestmark = pytest.mark.asyncio
EVENTS = {"accept": "text/event-stream"}
WATCH = "GET /v1/jobs:watch"
TICKET = "POST /v1/streams:ticket"


@dataclass
class Behind:
    """An edge with all that is behind it."""

    edge: RunningEdge
    stand_in: StandIn

    @property
    def port(self) -> int:
        return self.edge.port


@asynccontextmanager
async def behind(start_edge: StartEdge, valkey: Valkey) -> AsyncIterator[Behind]:
    async with start_edge(1) as edge:
        stand_in, servers = StandIn(), f"unix:{edge.servers[0]}"
        more = {"listen": f"unix:{edge.http}", "RUSHES_REDIS_URL": valkey.url}
        with http_process(edge.http.parent, servers, **more):
            async with serving(stand_in, edge.servers[0]):
                await edge.healthy()
                yield Behind(edge, stand_in)


async def test_events_arrive_one_by_one(start_edge: StartEdge, valkey: Valkey) -> None:
    async with behind(start_edge, valkey) as found:
        found.stand_in.release()
        async with http(found.port, WATCH, EVENTS) as answer:
            reader = Reader(answer)
            first = await reader.next()
            found.stand_in.release()
            second = await reader.next()

    assert answer.headers["content-type"] == "text/event-stream"
    assert reader.parser.retry
    assert first == Message("checkpoint", "t1", '{"resumeToken":"t1"}')
    assert second == Message("checkpoint", "t2", '{"resumeToken":"t2"}')


async def test_lines_stay_the_edges_own_business(start_edge: StartEdge, valkey: Valkey) -> None:
    async with behind(start_edge, valkey) as found:
        found.stand_in.release()
        async with http(found.port, WATCH, {"accept": "*/*"}) as answer:
            assert await answer.chunk() == b'{"resumeToken":"t1"}\n'


async def test_refusals_have_the_one_shape(start_edge: StartEdge, valkey: Valkey) -> None:
    async with behind(start_edge, valkey) as found:
        for line, status, reason in (
            (f"{WATCH}?nope=1", 400, "FIELD_INVALID"),
            (f"{WATCH}?labels=broken%3Dyes", 404, "RESOURCE_NOT_FOUND"),
            (f"{WATCH}?ticket=unknown", 401, "CREDENTIALS_INVALID"),
            ("GET /v1/jobs%3Awatch?nope=1", 400, "FIELD_INVALID"),
        ):
            async with http(found.port, line, EVENTS) as answer:
                body = await answer.json()
            assert answer.status == status, line
            assert set(body) == {"code", "message", "details"}
            assert body["details"][0]["reason"] == reason


async def test_a_reader_that_leaves_ends_the_watch(start_edge: StartEdge, valkey: Valkey) -> None:
    async with behind(start_edge, valkey) as found:
        async with http(found.port, f"{WATCH}?labels=hello%3Dyes", EVENTS) as answer:
            await answer.chunk()
            assert found.stand_in.watching == 1
        await wait_for_async(lambda: not found.stand_in.watching, "the watch to end")


async def test_the_ticket_is_not_in_the_log(start_edge: StartEdge, valkey: Valkey) -> None:
    async with behind(start_edge, valkey) as found:
        async with http(found.port, f"{WATCH}?ticket=a-secret", EVENTS) as answer:
            assert answer.status == 401
        log = found.edge.log
        async with asyncio.timeout(20):
            while '"path":"/v1/jobs:watch"' not in log.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

        assert "a-secret" not in log.read_text()
