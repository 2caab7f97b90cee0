"""The asyncio client: the methods of `rushes.Client`, awaited.

What there is to decide stands in the pure modules (`requests`, `retry`, `watch`, `wire`); here is
only the sending.
"""

import asyncio
import inspect
import os
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol, Self, TypeVar, Unpack

import grpc
from grpc import aio

from rushes import requests
from rushes.aio_watcher import AsyncCall, AsyncWatch, pause
from rushes.download import address_runs_out, download_to_file, download_to_path
from rushes.errors import RushesError, Unavailable, outcome, warn
from rushes.requests import ImageJob, JobFields, LibraryFilter, Listing, Seconds, VideoJob
from rushes.retry import CallTries
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import ImageSpec, Job, VideoSpec
from rushes.v1.media_pb2 import Media
from rushes.v1.media_service_pb2_grpc import MediaServiceStub
from rushes.v1.model_pb2 import Model
from rushes.watch import (
    EventHandler,
    WatchFilter,
    WatchLimits,
    WatchState,
    is_done,
    watch_request,
)
from rushes.watcher import Clock
from rushes.wire import call_metadata, channel_options, parse_server, read_error

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
Page = TypeVar("Page", pb.ListJobsResponse, pb.ListMediaResponse, pb.ListJobEventsResponse)
Token = str | Callable[[], str | Awaitable[str]]


class AsyncMethod(Protocol[Request, Answer]):
    """A unary method of the stub."""

    def __call__(
        self,
        request: Request,
        *,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] | None = None,
    ) -> Awaitable[Answer]: ...


class AsyncClient:
    """Talks to one Rushes server from one event loop. Use it with `async with`, or call `close()`.

    The parameters are those of `rushes.Client`; `token` may also be a coroutine function.
    """

    def __init__(
        self,
        server: str = "localhost:8080",
        token: Token = "",
        *,
        secure: bool = False,
        timeout: float = 60.0,
        retry_for: float = 15.0,
        channel: aio.Channel | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._channel = channel or _open_channel(server, secure)
        self._stub = MediaServiceStub(self._channel)
        self._token = token
        self._timeout = timeout
        self._retry_for = retry_for
        self._clock = clock or Clock()
        self._closed = asyncio.Event()
        self._watches: weakref.WeakSet[AsyncWatch] = weakref.WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every open watch and the connection."""
        self._closed.set()
        for watch in list(self._watches):
            await watch.aclose()
        await self._channel.close()

    async def generate_video(self, prompt: str, **fields: Unpack[VideoJob]) -> Job:
        """Submits a video job: when this returns, it is durable.

        The fields are those of VideoSpec and of JobOptions (`rushes.requests.JobFields`).
        """
        request = requests.video_request(prompt, fields)
        answer = await self._call(self._stub.GenerateVideo, request)
        warn(answer.warnings)
        return answer.job

    async def generate_image(self, prompt: str, **fields: Unpack[ImageJob]) -> Job:
        """Submits an image job, as `generate_video` does; the fields are those of ImageSpec."""
        request = requests.image_request(prompt, fields)
        answer = await self._call(self._stub.GenerateImage, request)
        warn(answer.warnings)
        return answer.job

    async def estimate_cost(
        self, spec: VideoSpec | ImageSpec, models: Sequence[str] = ()
    ) -> list[pb.EstimateCostResponse.Estimate]:
        """Prices a spec (`video_spec`, `image_spec`) on its own model or on several."""
        request = requests.estimate_request(spec, models)
        return list((await self._call(self._stub.EstimateCost, request)).estimates)

    async def list_models(self) -> list[Model]:
        """The models of this installation, with limits and prices."""
        return list((await self._call(self._stub.ListModels, pb.ListModelsRequest())).models)

    async def get_job(self, job_id: str, wait: Seconds | None = None) -> Job:
        """One job; with `wait` (at most 50 s) as soon as it has ended, or after that time."""
        request = pb.GetJobRequest(job_id=job_id, wait=requests.to_duration(wait))
        return (await self._call(self._stub.GetJob, request)).job

    def jobs(
        self,
        *,
        states: Iterable[Job.State | str] = (),
        labels: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Job]:
        """The jobs, newest first; pages are read as they are needed."""
        pages = self._pages(self._stub.ListJobs, requests.jobs_request(states, labels, limit))
        return _first(limit, (job async for page in pages for job in page.jobs))

    def job_events(self, job_id: str) -> AsyncIterator[pb.WatchEvent]:
        """The state changes of one job, oldest first."""
        request = pb.ListJobEventsRequest(job_id=job_id)
        pages = self._pages(self._stub.ListJobEvents, request)
        return (event async for page in pages for event in page.events)

    async def cancel(self, job_id: str, reason: str = "", *, only_if_free: bool = False) -> Job:
        """Asks for the end of a job; the answer says what happened. Fine to repeat.

        Raises:
            PreconditionFailed: with `only_if_free`, when cancelling may cost something.
        """
        request = pb.CancelJobRequest(job_id=job_id, reason=reason, only_if_free=only_if_free)
        return (await self._call(self._stub.CancelJob, request)).job

    async def retry(self, job_id: str, **options: Unpack[JobFields]) -> Job:
        """A new job from the spec of an ended one, with options of its own."""
        request = pb.RetryJobRequest(job_id=job_id, options=requests.job_options(**options))
        answer = await self._call(self._stub.RetryJob, request)
        warn(answer.warnings)
        return answer.job

    def watch(
        self,
        *,
        timeout: float | None = None,
        outage: float | None = None,
        on_retry: Callable[[RushesError, float], None] | None = None,
        **wanted: Unpack[WatchFilter],
    ) -> AsyncWatch:
        """The caller's jobs, live: a snapshot, SYNCED, then every change, in order, once.

        wanted: job_ids, labels, recent, until_done, resume_token, progress_interval and
            checkpoint_interval, as in rushes.v1.WatchJobsRequest.
        timeout: seconds after which it raises DeadlineExceeded.
        outage: seconds without a server after which it gives up; None is never.
        on_retry: told the error and the delay before it connects again.
        """
        limits = WatchLimits(connect=self._retry_for, outage=outage, total=timeout)
        state = WatchState(
            watch_request(wanted), self._clock.now(), limits, fresh_token=callable(self._token)
        )
        watch = AsyncWatch(self._open_watch, state, self._clock, on_retry)
        self._watches.add(watch)
        return watch

    async def wait(
        self, job_id: str, on_event: EventHandler | None = None, timeout: float | None = None
    ) -> Job:
        """The job once it has succeeded. `on_event` is told everything on the way.

        Raises:
            JobFailed, JobCancelled: when it ended so.
            DeadlineExceeded: after `timeout` seconds; the job goes on.
        """
        async with self.watch(job_ids=[job_id], until_done=True, timeout=timeout) as events:
            async for event in events:
                if on_event is not None:
                    on_event(event)
                if event.HasField("job") and is_done(event.job.job):
                    return outcome(event.job.job)
        return outcome(await self.get_job(job_id))

    async def download(self, media: Media | str, to: str | os.PathLike[str] | IO[bytes]) -> None:
        """Fetches a media item into a file; a path appears only once all bytes are there.

        Raises:
            DownloadDamaged: when the bytes are not those that the server promised.
            OSError: when the file can't be written.
        """
        item = await self.get_media(media) if isinstance(media, str) else media
        if address_runs_out(item):
            item = await self.get_media(item.media_id)
        stop = threading.Event()
        try:
            if isinstance(to, str | os.PathLike):
                path = Path(to)
                await self._repeat(lambda _: asyncio.to_thread(download_to_path, item, path, stop))
            else:
                await asyncio.to_thread(download_to_file, item, to, stop)
        finally:
            # The thread can't be cancelled: it looks at this between two chunks.
            stop.set()

    async def get_media(self, media_id: str, url_ttl: Seconds | None = None) -> Media:
        """One media item, with fresh signed addresses."""
        request = pb.GetMediaRequest(media_id=media_id, url_ttl=requests.to_duration(url_ttl))
        return (await self._call(self._stub.GetMedia, request)).media

    def library(
        self, limit: int | None = None, **wanted: Unpack[LibraryFilter]
    ) -> AsyncIterator[Media]:
        """The library, or with `deleted` the bin, newest first, read page by page."""
        pages = self._pages(self._stub.ListMedia, requests.library_request(wanted, limit))
        return _first(limit, (item async for page in pages for item in page.media))

    async def update_media(
        self,
        media_id: str,
        *,
        title: str | None = None,
        starred: bool | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Media:
        """Changes what is given; labels are merged, one with an empty value is removed."""
        request = requests.update_request(media_id, title, starred, labels)
        return (await self._call(self._stub.UpdateMedia, request)).media

    async def delete_media(self, media_id: str, *, permanent: bool = False) -> None:
        """Puts a media item into the bin, or erases it for good. Fine to repeat."""
        request = pb.DeleteMediaRequest(media_id=media_id, permanent=permanent)
        await self._call(self._stub.DeleteMedia, request)

    async def undelete_media(self, media_id: str) -> Media:
        """Takes a media item out of the bin. Fine to repeat."""
        request = pb.UndeleteMediaRequest(media_id=media_id)
        return (await self._call(self._stub.UndeleteMedia, request)).media

    async def batch_delete(self, media_ids: Sequence[str], *, permanent: bool = False) -> None:
        """Puts all of them into the bin (or erases them), or none."""
        request = pb.BatchDeleteMediaRequest(media_ids=media_ids, permanent=permanent)
        await self._call(self._stub.BatchDeleteMedia, request)

    async def _call(self, method: AsyncMethod[Request, Answer], request: Request) -> Answer:
        async def send(seconds_left: float) -> Answer:
            metadata = await self._metadata()
            try:
                return await method(request, timeout=seconds_left, metadata=metadata)
            except grpc.RpcError as error:
                raise read_error(error) from error

        return await self._repeat(send)

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
                if delay is None or await pause(self._closed, delay):
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

    async def _open_watch(self, request: pb.WatchJobsRequest) -> AsyncCall:
        return self._stub.WatchJobs(request, metadata=await self._metadata())

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = self._token() if callable(self._token) else self._token
        return call_metadata(await token if inspect.isawaitable(token) else token)


async def _first(limit: int | None, items: AsyncIterator[Answer]) -> AsyncIterator[Answer]:
    left = limit
    async for item in items:
        if left is not None:
            if left <= 0:
                return
            left -= 1
        yield item


def _open_channel(server: str, secure: bool) -> aio.Channel:
    target, secure = parse_server(server, secure)
    options = channel_options(target)
    if secure:
        return aio.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return aio.insecure_channel(target, options)
