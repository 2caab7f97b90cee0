"""Who calls: the authorization header, or a ticket in its place, as metadata of a gRPC call.

The servers judge it. This process looks at no token.
"""

import asyncio
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request

from core.errors import CredentialsInvalid, field_invalid
from rushes.v1 import media_service_pb2 as pb
from server.http.servers import Metadata, Servers
from server.http.tickets import TICKET_SECONDS, Tickets

_PASSED_ON = ("authorization", "x-request-id")


class Credentials:
    """Reads those of requests, and gives tickets for them. Tickets block, so they run in `pool`."""

    def __init__(self, servers: Servers, tickets: Tickets, pool: Executor) -> None:
        self._servers = servers
        self._tickets = tickets
        self._pool = pool

    async def of_stream(self, request: Request) -> Metadata:
        """The metadata for a watch; it takes the ticket if there is one.

        Raises:
            CredentialsInvalid: when the ticket is not good, or the header can't be passed on.
            FieldInvalid: when there are several tickets, or a ticket and a header.
            DependencyUnavailable: when a ticket can't be looked up.
        """
        metadata = metadata_of(request)
        tickets = request.query_params.getlist("ticket")
        if not tickets:
            return metadata
        if len(tickets) > 1:
            raise field_invalid("ticket", "is given more than once")
        if request.headers.get("authorization") is not None:
            raise field_invalid("ticket", "send a ticket or an authorization header, not both")
        loop = asyncio.get_running_loop()
        taken = await loop.run_in_executor(self._pool, self._tickets.take, tickets[0])
        return (*metadata, ("authorization", taken))

    async def ticket_for(self, request: Request) -> dict[str, Any]:
        """A ticket for the caller, and when it expires.

        Raises:
            grpc.aio.AioRpcError: when the servers refuse the caller.
            CredentialsInvalid: when the header can't be passed on.
            RateLimited: when the caller gets too many.
            DependencyUnavailable: when it can't be stored.
        """
        metadata = metadata_of(request)
        # Whoever may read jobs may watch them.
        await self._servers.read("ListJobs", pb.ListJobsRequest(page_size=1), metadata)
        expire_time = datetime.now(UTC) + timedelta(seconds=TICKET_SECONDS)
        header = dict(metadata)["authorization"]
        loop = asyncio.get_running_loop()
        ticket = await loop.run_in_executor(self._pool, self._tickets.make, header)
        return {"ticket": ticket, "expireTime": expire_time.strftime("%Y-%m-%dT%H:%M:%SZ")}


def metadata_of(request: Request) -> Metadata:
    """The headers that a call of the servers gets from the request.

    Raises:
        CredentialsInvalid: when one has characters that gRPC does not carry.
    """
    found = tuple((k, v) for k, v in request.headers.items() if k in _PASSED_ON)
    if not all(value.isascii() and value.isprintable() for _, value in found):
        raise CredentialsInvalid
    return found
