"""The edge gives up what unfinished requests hold before it has no memory left."""

import asyncio
import contextlib
from contextlib import ExitStack

import grpc
import pytest

from rushes.v1 import media_service_pb2, media_service_pb2_grpc
from tests.edge.conftest import StartEdge
from tests.edge.stand_in import StandIn, serving
from tests.security.http2 import GET_JOB, call, connected, send_unfinished, wait_for_end
from tests.services import DEADLINE_SECONDS, wait_for_async

pytestmark = pytest.mark.asyncio
MIB = 1024 * 1024


async def test_large_unfinished_requests_are_ended_and_watches_live_on(
    start_edge: StartEdge,
) -> None:
    bodies, message = 60, b"x" * 4_000_000
    async with start_edge(1, heap_bytes=160 * MIB) as edge:
        stand_in = StandIn()
        address = f"127.0.0.1:{edge.port}"
        async with (
            serving(stand_in, edge.servers[0]),
            grpc.aio.insecure_channel(address) as channel,
        ):
            await edge.healthy()
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            watch = stub.WatchJobs(media_service_pb2.WatchJobsRequest(labels=["hello=yes"]))
            assert (await watch.read()).resume_token == "hello"

            await asyncio.to_thread(_attack, edge.port, bodies, message)
            stand_in.release()
            token = (await asyncio.wait_for(watch.read(), DEADLINE_SECONDS)).resume_token
            job = await _asked(stub)

            # Overload is Envoy's word in the flags of the log: it ended the request for its memory.
            await wait_for_async(lambda: edge.log.read_text().count('"flags":"OM"') > 10)

    assert token == "t1"
    assert job == "j1"


def _attack(port: int, bodies: int, message: bytes) -> None:
    with ExitStack() as open_ones:
        for _ in range(bodies):
            with contextlib.suppress(OSError):
                connection = open_ones.enter_context(connected(port))
                connection.sendall(call(1, GET_JOB))
                send_unfinished(connection, 1, message)


async def _asked(stub: media_service_pb2_grpc.MediaServiceStub) -> str:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                request = media_service_pb2.GetJobRequest(job_id="j1")
                return str((await stub.GetJob(request)).job.job_id)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)


async def test_an_unfinished_request_has_its_time_and_a_watch_has_all_there_is(
    start_edge: StartEdge,
) -> None:
    short = {"max_stream_duration: 120s": "max_stream_duration: 1s"}
    async with start_edge(1, instead=short) as edge:
        stand_in = StandIn()
        address = f"127.0.0.1:{edge.port}"
        async with (
            serving(stand_in, edge.servers[0]),
            grpc.aio.insecure_channel(address) as channel,
        ):
            await edge.healthy()
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            watch = stub.WatchJobs(media_service_pb2.WatchJobsRequest(labels=["hello=yes"]))
            assert (await watch.read()).resume_token == "hello"

            await asyncio.to_thread(_wait_for_its_end, edge.port)
            stand_in.release()
            token = (await asyncio.wait_for(watch.read(), DEADLINE_SECONDS)).resume_token

    assert token == "t1"
    assert stand_in.calls == 0


def _wait_for_its_end(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(call(1, GET_JOB))
        send_unfinished(connection, 1, b"half a message")
        with pytest.raises(ConnectionResetError):
            wait_for_end(connection, 1)


async def test_a_message_that_is_too_large_is_refused_as_such(start_edge: StartEdge) -> None:
    async with start_edge(1) as edge:
        address = f"127.0.0.1:{edge.port}"
        async with (
            serving(StandIn(), edge.servers[0]),
            grpc.aio.insecure_channel(address) as channel,
        ):
            await edge.healthy()
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetJob(media_service_pb2.GetJobRequest(job_id="x" * 8_000_000))

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
