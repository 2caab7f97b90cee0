"""The chain through a real channel, with a service that misbehaves on request."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from core.errors import DependencyUnavailable, NotFound
from core.process.settings import read_settings
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from server.fair_executor import FairExecutor
from server.interceptors import build_chain
from server.principal import Principal, current_principal, require_principal
from tests.house import read_refusal
from tests.services import wait_for_async

SECRET = "the secret prompt"
SERVICE = pb.DESCRIPTOR.services_by_name["MediaService"]


class StandIn(rpc.MediaServiceServicer):  # type: ignore[misc]
    """Answers only what the tests ask for."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.cancelled = asyncio.Event()
        self.gate = threading.Barrier(4)
        self.slow = threading.Event()
        self.waiting: Callable[[str], int] = lambda _: 0

    def GetJob(self, request: Any, context: Any) -> Any:
        raise NotFound("job")

    def ListJobs(self, request: Any, context: Any) -> Any:
        raise ValueError(SECRET)

    def ListModels(self, request: Any, context: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        self.gate.wait(10)
        user = require_principal().user_id
        return pb.ListModelsResponse(models=[{"model": user}])

    def EstimateCost(self, request: Any, context: Any) -> Any:
        self.slow.wait(30)
        return pb.EstimateCostResponse()

    def GetMedia(self, request: Any, context: Any) -> Any:
        return pb.GetMediaResponse()

    async def CancelJob(self, request: Any, context: Any) -> Any:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def RetryJob(self, request: Any, context: Any) -> Any:
        return pb.RetryJobResponse(deduplicated=True)

    async def WatchJobs(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.WatchJobsResponse(resume_token=require_principal().user_id)
        yield pb.WatchJobsResponse(resume_token="bytes").SerializeToString()
        raise DependencyUnavailable("database")


class ByName:
    """Takes any token for its user's name."""

    blocking = True

    def verify(self, token: str) -> Principal:
        return Principal(token, 0)


@asynccontextmanager
async def serving(stand_in: StandIn, **options: Any) -> AsyncIterator[grpc.aio.Channel]:
    verifier: Any = ByName()
    with FairExecutor(8, "call") as pool:
        no_keys: Any = None
        chain = build_chain(read_settings(**options), verifier, no_keys, pool, [SERVICE])
        stand_in.waiting = pool.waiting
        server = grpc.aio.server(interceptors=[chain])
        rpc.add_MediaServiceServicer_to_server(stand_in, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield channel
        finally:
            await server.stop(None)


def as_user(name: str) -> Any:
    return (("authorization", f"Bearer {name}"),)


async def refusal_of(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


@pytest.mark.asyncio
async def test_a_domain_error_arrives_with_its_code() -> None:
    async with serving(StandIn()) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        error = await refusal_of(stub.GetJob(pb.GetJobRequest(), metadata=as_user("alice")))
        refusal = read_refusal(SyncView(error))
        assert refusal.code is grpc.StatusCode.NOT_FOUND
        assert refusal.reason == "RESOURCE_NOT_FOUND"


@pytest.mark.asyncio
async def test_an_unknown_error_says_nothing_but_an_id_that_the_log_has() -> None:
    async with serving(StandIn()) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        with capture_logs() as lines:
            call = stub.ListJobs(pb.ListJobsRequest(), metadata=as_user("alice"))
            refusal = read_refusal(SyncView(await refusal_of(call)))
        assert refusal.code is grpc.StatusCode.INTERNAL
        assert refusal.reason == "INTERNAL_ERROR"
        assert list(refusal.metadata) == ["error_id"]
        assert SECRET not in repr(refusal)
        broke = [line for line in lines if line["event"] == "call_broke"]
        assert [line["error_id"] for line in broke] == [refusal.metadata["error_id"]]


@pytest.mark.asyncio
async def test_plain_handlers_run_side_by_side_each_with_its_own_caller() -> None:
    stand_in = StandIn()
    async with serving(stand_in) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        users = ["alice", "bob", "carol", "dave"]
        calls = [stub.ListModels(pb.ListModelsRequest(), metadata=as_user(u)) for u in users]
        answers = await asyncio.gather(*calls)
        assert [answer.models[0].model for answer in answers] == users
        assert len(stand_in.threads) == 4
    assert current_principal() is None


@pytest.mark.asyncio
async def test_async_handlers_stay_in_the_loop() -> None:
    async with serving(StandIn()) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        answer = await stub.RetryJob(pb.RetryJobRequest(), metadata=as_user("alice"))
        assert answer.deduplicated


@pytest.mark.asyncio
async def test_a_stream_may_give_messages_or_bytes_and_ends_with_its_error() -> None:
    async with serving(StandIn()) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        call = stub.WatchJobs(pb.WatchJobsRequest(), metadata=as_user("alice"))
        tokens = [(await call.read()).resume_token for _ in range(2)]
        assert tokens == ["alice", "bytes"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        refusal = read_refusal(SyncView(caught.value))
        assert (refusal.reason, refusal.retry_seconds) == ("DEPENDENCY_UNAVAILABLE", 1.0)


@pytest.mark.asyncio
async def test_a_caller_who_leaves_cancels_the_handler() -> None:
    stand_in = StandIn()
    async with serving(stand_in) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        with capture_logs() as lines:
            call = stub.CancelJob(pb.CancelJobRequest(), metadata=as_user("alice"), timeout=0.2)
            assert (await refusal_of(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await asyncio.wait_for(stand_in.cancelled.wait(), 10)
            await asyncio.sleep(0)
        assert not [line for line in lines if line["event"] == "call_broke"]


@pytest.mark.asyncio
async def test_a_call_above_the_rate_is_refused_before_its_handler() -> None:
    async with serving(StandIn(), user_requests_per_second=1, user_request_burst=1) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        await stub.RetryJob(pb.RetryJobRequest(), metadata=as_user("alice"))
        call = stub.RetryJob(pb.RetryJobRequest(), metadata=as_user("alice"))
        refusal = read_refusal(SyncView(await refusal_of(call)))
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (refusal.reason, refusal.retry_seconds) == ("RATE_LIMITED", 1.0)


@pytest.mark.asyncio
async def test_each_call_has_one_line_with_its_outcome_and_nothing_of_the_request() -> None:
    async with serving(StandIn()) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        with capture_logs() as lines:
            await stub.RetryJob(
                pb.RetryJobRequest(job_id=SECRET), metadata=as_user("alice"), timeout=10
            )
            call = stub.GetJob(pb.GetJobRequest(job_id=SECRET), metadata=as_user("alice"))
            await refusal_of(call)
            # The caller may hear of the refusal before the line is written.
            await wait_for_async(lambda: any(line.get("method") == "GetJob" for line in lines))
        finished = [line for line in lines if line["event"] == "rpc_finished"]
        assert [(line["method"], line["code"]) for line in finished] == [
            ("RetryJob", "OK"),
            ("GetJob", "NOT_FOUND"),
        ]
        assert all(line["user_id"] == "alice" for line in finished)
        assert [line["reason"] for line in finished] == ["", "RESOURCE_NOT_FOUND"]
        assert SECRET not in json.dumps(lines)


@pytest.mark.asyncio
async def test_the_line_of_a_refused_caller_says_why() -> None:
    async with serving(StandIn()) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        with capture_logs() as lines:
            for metadata in ((), (("authorization", "Basic x"),)):
                await refusal_of(stub.GetJob(pb.GetJobRequest(), metadata=metadata))
            await stub.RetryJob(pb.RetryJobRequest(), metadata=as_user("alice"), timeout=10)
    reasons = [line["reason"] for line in lines if line["event"] == "rpc_finished"]
    assert reasons == ["CREDENTIALS_MISSING", "CREDENTIALS_INVALID", ""]


class SyncView:
    """An async call's error as `read_refusal` takes it."""

    def __init__(self, error: Any) -> None:
        self._error = error

    def code(self) -> Any:
        return self._error.code()

    def details(self) -> Any:
        return self._error.details()

    def trailing_metadata(self) -> Any:
        return self._error.trailing_metadata()


@pytest.mark.asyncio
async def test_a_user_whose_calls_are_slow_is_slow_alone() -> None:
    # Given a hundred calls of one user that hold their threads or wait for one
    stand_in = StandIn()
    async with serving(stand_in) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        slow = [slow_call(stub) for _ in range(100)]
        await wait_for_async(lambda: stand_in.waiting("alice") == 98)

        # Then other users are answered meanwhile
        for number in range(20):
            await stub.GetMedia(pb.GetMediaRequest(), metadata=as_user(f"user-{number}"))
        assert stand_in.waiting("alice") == 98

        # And in the end that user too
        stand_in.slow.set()
        assert len(await asyncio.gather(*slow)) == 100


@pytest.mark.asyncio
async def test_too_many_waiting_calls_of_a_user_are_refused_until_one_leaves() -> None:
    # Given a user who has as many calls waiting as he may; two of his have a thread
    stand_in = StandIn()
    async with serving(stand_in, user_waiting_calls=3) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        calls = [slow_call(stub) for _ in range(5)]
        await wait_for_async(lambda: stand_in.waiting("alice") == 3)

        # Then one more is refused
        refusal = read_refusal(SyncView(await refusal_of(slow_call(stub))))
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "RATE_LIMITED",
        )
        assert "wait for others of yours" in refusal.message

        # And one more is taken when a caller has given up one that waited
        for call in calls:
            call.cancel()
        await wait_for_async(lambda: stand_in.waiting("alice") == 0)
        calls = [slow_call(stub) for _ in range(3)]
        await wait_for_async(lambda: stand_in.waiting("alice") == 3)
        stand_in.slow.set()
        await asyncio.gather(*calls)


def slow_call(stub: Any) -> Any:
    return stub.EstimateCost(pb.EstimateCostRequest(), metadata=as_user("alice"))
