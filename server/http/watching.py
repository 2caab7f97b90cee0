"""A watch at the server processes that outlives each of them."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator

import grpc

from core.errors import Reason
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.error_reason_pb2 import ErrorReason
from server.http.calls import reason_of
from server.http.servers import AWAY_SECONDS, PAUSE_SECONDS, Metadata, Servers

MOST_PAUSE_SECONDS = 2.0
# As rushes.watch_protocol has them for every client.
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    }
)
_PASSING_ENDS = (ErrorReason.SERVER_DRAINING, ErrorReason.DEPENDENCY_UNAVAILABLE)


async def watch(
    servers: Servers, request: pb.WatchJobsRequest, metadata: Metadata
) -> AsyncGenerator[pb.WatchJobsResponse, None]:
    """The responses of one watch. After a loss it goes on from the last one at another process.

    Raises:
        grpc.aio.AioRpcError: when the watch is refused, or can't go on.
    """
    token, begun, losses = request.resume_token, False, 0
    give_up_at = time.monotonic() + AWAY_SECONDS
    while True:
        # A message keeps each text that one of its fields ever had, so the token is kept beside it.
        asked = pb.WatchJobsRequest()
        asked.CopyFrom(request)
        asked.resume_token = token
        call = servers.next().WatchJobs(asked, metadata=metadata)
        try:
            async for response in call:
                begun, losses = True, 0
                token = response.resume_token
                if not _takes_passing_end(response) or response.events:
                    yield response
            return
        except grpc.aio.AioRpcError as error:
            if not _passes(error, begun) or (not begun and time.monotonic() > give_up_at):
                raise
        finally:
            call.cancel()
        losses += 1
        await asyncio.sleep(_pause(losses))


def _takes_passing_end(response: pb.WatchJobsResponse) -> bool:
    """Takes out an end that only says that this process can't go on; whether there was one."""
    if not response.events or response.events[-1].WhichOneof("event") != "end":
        return False
    if response.events[-1].end.reason not in _PASSING_ENDS:
        return False
    del response.events[-1]
    return True


def _passes(error: grpc.aio.AioRpcError, begun: bool) -> bool:
    """Whether the watch may go on after the error, as every client would decide."""
    if not begun:
        return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    return error.code() in _PASSING and reason_of(error) != Reason.TOO_MANY_WATCHES


def _pause(losses: int) -> float:
    """Seconds before the next try: each twice as long as the last one, with jitter."""
    longest = min(PAUSE_SECONDS * 2.0 ** min(losses - 1, 10), MOST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1)
