"""One channel to one server: signing in, repeating what a broken connection cut, reading pages."""

import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self, TypeVar

import grpc

from rushes import environment, requests
from rushes._async.event_stream import AsyncEventStream
from rushes._async.seam import (
    Answer,
    AsyncChannel,
    AsyncClock,
    AsyncEvent,
    AsyncMethod,
    AsyncResponseReader,
    AsyncToken,
    Request,
    current_token,
    open_channel,
)
from rushes.errors import RushesError, Unavailable
from rushes.requests import Listing
from rushes.retry import CallTries
from rushes.v1 import account_service_pb2 as account
from rushes.v1 import admin_service_pb2 as admin
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import (
    notification_service_pb2,
    share_service_pb2,
    view_service_pb2,
    webhook_service_pb2,
)
from rushes.v1.account_service_pb2_grpc import AccountServiceStub
from rushes.v1.admin_service_pb2_grpc import AdminServiceStub
from rushes.v1.media_service_pb2_grpc import MediaServiceStub
from rushes.v1.notification_service_pb2_grpc import NotificationServiceStub
from rushes.v1.share_service_pb2_grpc import ShareServiceStub
from rushes.v1.view_service_pb2_grpc import ViewServiceStub
from rushes.v1.webhook_service_pb2_grpc import WebhookServiceStub
from rushes.wire import call_metadata, read_error

Page = TypeVar(
    "Page",
    pb.ListJobsResponse,
    pb.ListMediaResponse,
    pb.ListJobEventsResponse,
    notification_service_pb2.ListNotificationsResponse,
    notification_service_pb2.ListAnnouncementsResponse,
    account.GetUsageResponse,
    account.ListApiKeysResponse,
    view_service_pb2.ListViewsResponse,
    share_service_pb2.ListSharesResponse,
    share_service_pb2.ListSharedMediaResponse,
    webhook_service_pb2.ListWebhookDeliveriesResponse,
    admin.ListUnsettledSubmitsResponse,
    admin.ListBudgetsResponse,
)
Item = TypeVar("Item")


class AsyncConnection:
    """A channel with the caller's token. The parameters are those of `rushes.AsyncClient`."""

    def __init__(
        self,
        server: str | None = None,
        token: AsyncToken | None = None,
        *,
        secure: bool = False,
        timeout: float = 60.0,
        retry_for: float = 15.0,
        channel: AsyncChannel | None = None,
        clock: AsyncClock | None = None,
    ) -> None:
        # The address of a channel made elsewhere is not known here, so errors do not name it.
        self._server = "" if channel else server or environment.server()
        self._channel = channel or open_channel(self._server, secure)
        self._stub = MediaServiceStub(self._channel)
        self._notifications = NotificationServiceStub(self._channel)
        self._account = AccountServiceStub(self._channel)
        self._views = ViewServiceStub(self._channel)
        self._shares = ShareServiceStub(self._channel)
        self._webhooks = WebhookServiceStub(self._channel)
        self._admin = AdminServiceStub(self._channel)
        self._token = environment.token() if token is None else token
        self._timeout = timeout
        self._retry_for = retry_for
        self._clock = clock or AsyncClock()
        self._closed = AsyncEvent()
        self._streams: weakref.WeakSet[AsyncEventStream] = weakref.WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every open watch and the connection."""
        self._closed.set()
        for stream in list(self._streams):
            await stream.aclose()
        await self._channel.close()

    async def _call(self, method: AsyncMethod[Request, Answer], request: Request) -> Answer:
        return await self._repeat(lambda seconds: self._send(method, request, seconds))

    async def _call_once(self, method: AsyncMethod[Request, Answer], request: Request) -> Answer:
        """Calls what must not be repeated, because each time makes something new."""
        return await self._send(method, request, self._timeout)

    async def _send(
        self, method: AsyncMethod[Request, Answer], request: Request, seconds: float
    ) -> Answer:
        metadata = await self._metadata()
        try:
            return await method(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            raise read_error(error, self._server) from error

    async def _repeat(self, send: Callable[[float], Awaitable[Answer]]) -> Answer:
        start = self._clock.now()
        tries = CallTries(start + self._retry_for, fresh_token=callable(self._token))
        while True:
            if self._closed.is_set():
                raise Unavailable("The client is closed.")
            try:
                return await send(start + self._timeout - self._clock.now())
            except RushesError as error:
                delay = tries.after(error, self._clock.now())
                if delay is None or await self._clock.wait(self._closed, delay):
                    raise

    async def _pages(
        self, method: AsyncMethod[Listing, Page], request: Listing
    ) -> AsyncIterator[Page]:
        while True:
            page = await self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request = requests.next_page(request, page.next_page_token)

    async def _open_watch(self, request: pb.WatchJobsRequest) -> AsyncResponseReader:
        call: Any = self._stub.WatchJobs(request, metadata=await self._metadata())
        return AsyncResponseReader(call, self._server)

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        return call_metadata(await current_token(self._token))


async def first(limit: int | None, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """The first `limit` items, or all of them; no more is read than that."""
    left = limit
    if left is not None and left <= 0:
        return
    async for item in items:
        yield item
        if left is not None:
            left -= 1
            if left <= 0:
                return
