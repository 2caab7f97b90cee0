"""Every way in to a watch brings each message when it is sent, and nobody starves anybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from rushes.v1 import media_service_pb2, media_service_pb2_grpc
from tests.edge.conftest import RunningEdge, StartEdge
from tests.edge.stand_in import StandIn, serving
from tests.edge.wire import frame, frames, http

pytestmark = pytest.mark.asyncio
STALLED = 60
GRPC_WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
WATCH = "POST /rushes.v1.MediaService/WatchJobs"


@asynccontextmanager
async def one_server(start_edge: StartEdge) -> AsyncIterator[tuple[RunningEdge, StandIn]]:
    async with start_edge(1) as edge:
        stand_in = StandIn()
        async with serving(stand_in, edge.servers[0]):
            await edge.healthy()
            yield edge, stand_in


async def test_json_lines_arrive_one_by_one(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, stand_in):
        stand_in.release()
        async with http(edge.port, "GET /v1/jobs:watch") as answer:
            first = await answer.chunk()
            stand_in.release()
            second = await answer.chunk()

    assert answer.headers["content-type"] == "application/json"
    assert (first, second) == (b'{"resumeToken":"t1"}\n', b'{"resumeToken":"t2"}\n')


async def test_a_unary_answer_is_json_also_for_who_takes_events(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, _):
        accept = {"accept": "application/json, text/event-stream"}
        async with http(edge.port, "GET /v1/jobs/j1", accept) as answer:
            body = await answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert body["job"]["jobId"] == "j1"


async def test_grpc_web_messages_arrive_one_by_one(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, stand_in):
        stand_in.release()
        async with http(edge.port, WATCH, GRPC_WEB, frame(b"")) as answer:
            first = await answer.chunk()
            stand_in.release()
            second = await answer.chunk()

    tokens = [
        media_service_pb2.WatchJobsResponse.FromString(message).resume_token
        for chunk in (first, second)
        for _, message in frames(chunk)
    ]
    assert tokens == ["t1", "t2"]


async def test_grpc_messages_arrive_one_by_one(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, stand_in), _channel(edge) as channel:
        stub = media_service_pb2_grpc.MediaServiceStub(channel)
        call = stub.WatchJobs(media_service_pb2.WatchJobsRequest())
        tokens = []
        for _ in range(2):
            stand_in.release()
            tokens.append((await call.read()).resume_token)
        call.cancel()

    assert tokens == ["t1", "t2"]


async def test_a_grpc_web_call_is_a_message_and_trailers(start_edge: StartEdge) -> None:
    request = media_service_pb2.GetJobRequest(job_id="j1").SerializeToString()
    line = "POST /rushes.v1.MediaService/GetJob"
    async with (
        one_server(start_edge) as (edge, _),
        http(edge.port, line, GRPC_WEB, frame(request)) as answer,
    ):
        (flag, message), (end, trailers) = frames(await answer.body())

    assert (flag, end) == (0, 128)
    assert media_service_pb2.GetJobResponse.FromString(message).job.job_id == "j1"
    assert b"grpc-status:0" in trailers.replace(b" ", b"")


async def test_readers_that_stall_do_not_starve_the_others(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, stand_in), AsyncExitStack() as stalled:
        for _ in range(STALLED):
            line = "GET /v1/jobs:watch?labels=flood%3Dyes"
            await stalled.enter_async_context(http(edge.port, line, limit=1024))
        await _no_more_is_sent(stand_in)

        async with _channel(edge) as channel:
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            await stub.GetJob(media_service_pb2.GetJobRequest(job_id="j1"), timeout=20)
            call = stub.WatchJobs(media_service_pb2.WatchJobsRequest(labels=["flood=yes"]))
            for _ in range(20):
                async with asyncio.timeout(20):
                    assert (await call.read()).resume_token
            call.cancel()


async def test_servers_share_the_calls(start_edge: StartEdge) -> None:
    async with start_edge(2) as edge, AsyncExitStack() as servers:
        both = [StandIn("one"), StandIn("two")]
        for stand_in, socket in zip(both, edge.servers, strict=True):
            await servers.enter_async_context(serving(stand_in, socket))
        await edge.healthy()

        async with _channel(edge) as channel, asyncio.timeout(20):
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            while not all(stand_in.calls for stand_in in both):
                await stub.GetJob(media_service_pb2.GetJobRequest(job_id="j1"))
            before = [stand_in.calls for stand_in in both]
            for _ in range(40):
                await stub.GetJob(media_service_pb2.GetJobRequest(job_id="j1"))

    assert all(now.calls - then >= 5 for now, then in zip(both, before, strict=True))


async def test_a_server_that_goes_away_is_no_callers_business(start_edge: StartEdge) -> None:
    async with start_edge(2) as edge, AsyncExitStack() as stays:
        await stays.enter_async_context(serving(StandIn("stays"), edge.servers[0]))
        async with serving(StandIn("goes"), edge.servers[1]), _channel(edge) as channel:
            await edge.healthy()
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            seen: set[str] = set()
            async with asyncio.timeout(20):
                while len(seen) < 2:
                    seen.add((await stub.GetJob(_job("j1"))).job.provider)

        async with _channel(edge) as channel:
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            names = {(await stub.GetJob(_job("j1"))).job.provider for _ in range(20)}

    assert names == {"stays"}


async def test_a_refusal_of_the_service_does_not_eject_its_server(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, _), _channel(edge) as channel:
        stub = media_service_pb2_grpc.MediaServiceStub(channel)
        for _ in range(60):
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.ListModels(media_service_pb2.ListModelsRequest())

        assert (await stub.GetJob(_job("j1"))).job.job_id == "j1"


async def test_more_watches_than_any_default_fit_on_one_connection(start_edge: StartEdge) -> None:
    many = 1100
    async with one_server(start_edge) as (edge, _), _channel(edge) as channel:
        stub = media_service_pb2_grpc.MediaServiceStub(channel)
        request = media_service_pb2.WatchJobsRequest(labels=["hello=yes"])
        calls = [stub.WatchJobs(request) for _ in range(many)]
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(call.read() for call in calls))
        for call in calls:
            call.cancel()

    assert [answer.resume_token for answer in answers] == ["hello"] * many


def _channel(edge: RunningEdge) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{edge.port}")


def _job(job_id: str) -> media_service_pb2.GetJobRequest:
    return media_service_pb2.GetJobRequest(job_id=job_id)


async def _no_more_is_sent(stand_in: StandIn) -> None:
    """Waits until all buffers on the way are full."""
    before, quiet = -1, 0
    async with asyncio.timeout(60):
        while quiet < 5:
            await asyncio.sleep(0.1)
            quiet = quiet + 1 if stand_in.sent == before else 0
            before = stand_in.sent
