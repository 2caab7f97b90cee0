"""A gRPC server in place of the real one, hand-written so that tests decide each step."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2_grpc
from grpc_status import rpc_status

from rushes.v1 import job_pb2, media_service_pb2, media_service_pb2_grpc

# The default kills part of many streams that are opened at once.
OPTIONS = [
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
]
PADDING = "x" * 65536


class StandIn(media_service_pb2_grpc.MediaServiceServicer):
    """Answers GetJob and WatchJobs; the ids and labels of a request say how.

    GetJob: `missing` is NOT_FOUND with an ErrorInfo; `never` waits; others name this server.
    WatchJobs: with the label `flood=yes` 64 KiB messages without end, with `hello=yes` one message
    at once; then, and without a label, one per `release`.
    """

    def __init__(self, name: str = "one") -> None:
        self.name = name
        self.calls = 0
        self.sent = 0
        self.watching = 0
        self.waiting = asyncio.Event()
        self._releases: asyncio.Queue[None] = asyncio.Queue()

    def release(self) -> None:
        """Lets one message of a watch go out."""
        self._releases.put_nowait(None)

    async def GetJob(self, request, context):  # type: ignore[no-untyped-def, override]
        self.calls += 1
        if request.job_id == "missing":
            await context.abort_with_status(rpc_status.to_status(not_found()))
        if request.job_id == "never":
            self.waiting.set()
            await asyncio.Event().wait()
        job = job_pb2.Job(job_id=request.job_id, provider=self.name)
        return media_service_pb2.GetJobResponse(job=job)

    async def WatchJobs(self, request, context):  # type: ignore[no-untyped-def, override]
        self.watching += 1
        try:
            async for message in self._messages(request, context):
                yield message
        finally:
            self.watching -= 1

    async def _messages(self, request, context):  # type: ignore[no-untyped-def]
        if "flood=yes" in request.labels:
            async for message in self._flood():
                yield message
        if "broken=yes" in request.labels:
            await context.abort_with_status(rpc_status.to_status(not_found()))
        number = 0
        if "hello=yes" in request.labels:
            yield media_service_pb2.WatchJobsResponse(resume_token="hello")
        while True:
            await self._releases.get()
            number += 1
            yield media_service_pb2.WatchJobsResponse(resume_token=f"t{number}")

    async def _flood(self) -> AsyncIterator[media_service_pb2.WatchJobsResponse]:
        while True:
            yield media_service_pb2.WatchJobsResponse(resume_token=PADDING)
            self.sent += 1


def not_found() -> status_pb2.Status:
    """What the real server says about a job that is not there."""
    info = error_details_pb2.ErrorInfo(
        reason="RESOURCE_NOT_FOUND", domain="rushes", metadata={"resource": "job"}
    )
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=5, message="There is no such job.", details=[detail])


@asynccontextmanager
async def serving(servicer: StandIn, socket: Path) -> AsyncIterator[grpc.aio.Server]:
    """Serves on a unix socket, healthy, until the block ends."""
    server = grpc.aio.server(options=OPTIONS)
    media_service_pb2_grpc.add_MediaServiceServicer_to_server(servicer, server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


async def _main(socket: Path) -> None:
    """A process of its own, to be killed; says `waiting` when a call waits for ever."""
    stand_in = StandIn()
    async with serving(stand_in, socket):
        await stand_in.waiting.wait()
        print("waiting", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
