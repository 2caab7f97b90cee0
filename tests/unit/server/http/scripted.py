"""A server process whose every answer a test decides, and a reader of its streams over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from tests.edge.wire import Answer, http
from tests.sse import Message, Parser

SECONDS = 20
END = "end of the call"


@dataclass(frozen=True)
class Failure:
    """How a call ends: the code, and the reason in its ErrorInfo."""

    code: int
    reason: str


DRAINING = Failure(14, "SERVER_DRAINING")
Step = pb.WatchJobsResponse | Failure | str


@dataclass
class Call:
    """One WatchJobs call: what came in, and what the test wants to go out."""

    request: pb.WatchJobsRequest
    metadata: dict[str, Any]
    steps: "asyncio.Queue[Step]" = field(default_factory=asyncio.Queue)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    def say(self, *steps: Step) -> None:
        """Responses, and perhaps an end."""
        for step in steps:
            self.steps.put_nowait(step)


class Scripted(rpc.MediaServiceServicer):
    """Its watches wait for what the test says; a list is answered if there is a token."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.lists = 0
        self.flood: pb.WatchJobsResponse | None = None

    async def WatchJobs(self, request, context):  # type: ignore[no-untyped-def, override]
        call = Call(request, dict(context.invocation_metadata()))
        self.calls.append(call)
        try:
            while self.flood:
                yield self.flood
                call.sent += 1
            while (step := await call.steps.get()) != END:
                if isinstance(step, Failure):
                    await context.abort_with_status(rpc_status.to_status(_status(step)))
                yield step
        finally:
            call.over.set()

    async def ListJobs(self, request, context):  # type: ignore[no-untyped-def, override]
        self.lists += 1
        if "authorization" not in dict(context.invocation_metadata()):
            missing = Failure(16, "CREDENTIALS_MISSING")
            await context.abort_with_status(rpc_status.to_status(_status(missing)))
        return pb.ListJobsResponse()

    async def call(self, number: int) -> Call:
        """The call of this number, once it has come in."""
        async with asyncio.timeout(SECONDS):
            while len(self.calls) <= number:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return self.calls[number]


def _status(failure: Failure) -> status_pb2.Status:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=failure.reason, domain="rushes"))
    return status_pb2.Status(code=failure.code, message="It is so.", details=[detail])


@asynccontextmanager
async def scripted(socket: Path) -> AsyncIterator[tuple[Scripted, grpc.aio.Server]]:
    """Serves on a unix socket until the block ends, or the test stops it."""
    server = grpc.aio.server()
    servicer = Scripted()
    rpc.add_MediaServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield servicer, server
    finally:
        await server.stop(0)


@dataclass
class Reader:
    """A stream as a browser reads it."""

    answer: Answer
    parser: Parser = field(default_factory=Parser)
    _lines: list[bytes] = field(default_factory=list)
    _rest: bytes = b""

    async def next(self) -> Message | None:
        """The next message; None at the end."""
        while True:
            while self._lines:
                if message := self.parser.feed(self._lines.pop(0)):
                    return message
            piece = await self.answer.chunk()
            if not piece:
                return None
            *self._lines, self._rest = (self._rest + piece).split(b"\n")

    async def comment(self) -> str:
        """The next comment."""
        while not self.parser.comments:
            for line in (await self.answer.chunk()).split(b"\n"):
                assert not self.parser.feed(line)
        return self.parser.comments.pop(0)


@asynccontextmanager
async def reading(
    port: int, query: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Reader]:
    """An open stream of Alice."""
    sent = {"accept": "text/event-stream", "authorization": "Bearer alice", **(headers or {})}
    async with http(port, f"GET /v1/jobs:watch{query}", sent) as answer:
        assert answer.status == 200, await answer.body()
        yield Reader(answer)
