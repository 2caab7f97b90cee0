"""The synchronous client: one channel, one method per thing that the service does."""

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Protocol, Self, TypeVar, Unpack

import grpc

from rushes import requests
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
from rushes.watcher import Call, Clock, Watch
from rushes.wire import call_metadata, channel_options, parse_server, read_error

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
Page = TypeVar("Page", pb.ListJobsResponse, pb.ListMediaResponse, pb.ListJobEventsResponse)


class Method(Protocol[Request, Answer]):
    """A unary method of the stub."""

    def __call__(
        self,
        request: Request,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] | None = None,
    ) -> Answer: ...


class Client:
    """Talks to one Rushes server; threads may share it. Use it with `with`, or call `close()`.

    server: host:port, or an address that starts with http:// or https://.
    token: a JWT, or a function that returns one and is called before every call.
    secure: TLS; an https address implies it.
    timeout: seconds that one call may take, with its repetitions.
    retry_for: seconds for which a call is repeated while the server can't be reached.
    channel: a channel made elsewhere, for other credentials; it is closed with the client.

    Every refusal and failure is a `rushes.RushesError`; `rushes.errors` draws the classes. A value
    that no request can hold (a seed of 20 digits) is a ValueError or a TypeError.
    """

    def __init__(
        self,
        server: str = "localhost:8080",
        token: str | Callable[[], str] = "",
        *,
        secure: bool = False,
        timeout: float = 60.0,
        retry_for: float = 15.0,
        channel: grpc.Channel | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._channel = channel or _open_channel(server, secure)
        self._stub = MediaServiceStub(self._channel)
        self._token = token
        self._timeout = timeout
        self._retry_for = retry_for
        self._clock = clock or Clock()
        self._closed = threading.Event()
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every open watch and the connection."""
        self._closed.set()
        for watch in list(self._watches):
            watch.close()
        self._channel.close()

    def generate_video(self, prompt: str, **fields: Unpack[VideoJob]) -> Job:
        """Submits a video job: when this returns, it is durable.

        The fields are those of VideoSpec and of JobOptions (`rushes.requests.JobFields`).
        """
        request = requests.video_request(prompt, fields)
        answer = self._call(self._stub.GenerateVideo, request)
        warn(answer.warnings)
        return answer.job

    def generate_image(self, prompt: str, **fields: Unpack[ImageJob]) -> Job:
        """Submits an image job, as `generate_video` does; the fields are those of ImageSpec."""
        request = requests.image_request(prompt, fields)
        answer = self._call(self._stub.GenerateImage, request)
        warn(answer.warnings)
        return answer.job

    def estimate_cost(
        self, spec: VideoSpec | ImageSpec, models: Sequence[str] = ()
    ) -> list[pb.EstimateCostResponse.Estimate]:
        """Prices a spec (`video_spec`, `image_spec`) on its own model or on several."""
        request = requests.estimate_request(spec, models)
        return list(self._call(self._stub.EstimateCost, request).estimates)

    def list_models(self) -> list[Model]:
        """The models of this installation, with limits and prices."""
        return list(self._call(self._stub.ListModels, pb.ListModelsRequest()).models)

    def get_job(self, job_id: str, wait: Seconds | None = None) -> Job:
        """One job; with `wait` (at most 50 s) as soon as it has ended, or after that time."""
        request = pb.GetJobRequest(job_id=job_id, wait=requests.to_duration(wait))
        return self._call(self._stub.GetJob, request).job

    def jobs(
        self,
        *,
        states: Iterable[Job.State | str] = (),
        labels: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """The jobs, newest first; pages are read as they are needed."""
        pages = self._pages(self._stub.ListJobs, requests.jobs_request(states, labels, limit))
        return islice((job for page in pages for job in page.jobs), limit)

    def job_events(self, job_id: str) -> Iterator[pb.WatchEvent]:
        """The state changes of one job, oldest first."""
        request = pb.ListJobEventsRequest(job_id=job_id)
        pages = self._pages(self._stub.ListJobEvents, request)
        return (event for page in pages for event in page.events)

    def cancel(self, job_id: str, reason: str = "", *, only_if_free: bool = False) -> Job:
        """Asks for the end of a job; the answer says what happened. Fine to repeat.

        Raises:
            PreconditionFailed: with `only_if_free`, when cancelling may cost something.
        """
        request = pb.CancelJobRequest(job_id=job_id, reason=reason, only_if_free=only_if_free)
        return self._call(self._stub.CancelJob, request).job

    def retry(self, job_id: str, **options: Unpack[JobFields]) -> Job:
        """A new job from the spec of an ended one, with options of its own."""
        request = pb.RetryJobRequest(job_id=job_id, options=requests.job_options(**options))
        answer = self._call(self._stub.RetryJob, request)
        warn(answer.warnings)
        return answer.job

    def watch(
        self,
        *,
        timeout: float | None = None,
        outage: float | None = None,
        on_retry: Callable[[RushesError, float], None] | None = None,
        **wanted: Unpack[WatchFilter],
    ) -> Watch:
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
        watch = Watch(self._open_watch, state, self._clock, on_retry)
        self._watches.add(watch)
        return watch

    def wait(
        self, job_id: str, on_event: EventHandler | None = None, timeout: float | None = None
    ) -> Job:
        """The job once it has succeeded. `on_event` is told everything on the way.

        Raises:
            JobFailed, JobCancelled: when it ended so.
            DeadlineExceeded: after `timeout` seconds; the job goes on.
        """
        with self.watch(job_ids=[job_id], until_done=True, timeout=timeout) as events:
            for event in events:
                if on_event is not None:
                    on_event(event)
                if event.HasField("job") and is_done(event.job.job):
                    return outcome(event.job.job)
        return outcome(self.get_job(job_id))

    def download(self, media: Media | str, to: str | os.PathLike[str] | IO[bytes]) -> None:
        """Fetches a media item into a file; a path appears only once all bytes are there.

        Raises:
            DownloadDamaged: when the bytes are not those that the server promised.
            OSError: when the file can't be written.
        """
        item = self.get_media(media) if isinstance(media, str) else media
        if address_runs_out(item):
            item = self.get_media(item.media_id)
        if not isinstance(to, str | os.PathLike):
            return download_to_file(item, to, self._closed)
        path = Path(to)
        self._repeat(lambda _: download_to_path(item, path, self._closed))
        return None

    def get_media(self, media_id: str, url_ttl: Seconds | None = None) -> Media:
        """One media item, with fresh signed addresses."""
        request = pb.GetMediaRequest(media_id=media_id, url_ttl=requests.to_duration(url_ttl))
        return self._call(self._stub.GetMedia, request).media

    def library(self, limit: int | None = None, **wanted: Unpack[LibraryFilter]) -> Iterator[Media]:
        """The library, or with `deleted` the bin, newest first, read page by page."""
        pages = self._pages(self._stub.ListMedia, requests.library_request(wanted, limit))
        return islice((item for page in pages for item in page.media), limit)

    def update_media(
        self,
        media_id: str,
        *,
        title: str | None = None,
        starred: bool | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Media:
        """Changes what is given; labels are merged, one with an empty value is removed."""
        request = requests.update_request(media_id, title, starred, labels)
        return self._call(self._stub.UpdateMedia, request).media

    def delete_media(self, media_id: str, *, permanent: bool = False) -> None:
        """Puts a media item into the bin, or erases it for good. Fine to repeat."""
        request = pb.DeleteMediaRequest(media_id=media_id, permanent=permanent)
        self._call(self._stub.DeleteMedia, request)

    def undelete_media(self, media_id: str) -> Media:
        """Takes a media item out of the bin. Fine to repeat."""
        request = pb.UndeleteMediaRequest(media_id=media_id)
        return self._call(self._stub.UndeleteMedia, request).media

    def batch_delete(self, media_ids: Sequence[str], *, permanent: bool = False) -> None:
        """Puts all of them into the bin (or erases them), or none."""
        request = pb.BatchDeleteMediaRequest(media_ids=media_ids, permanent=permanent)
        self._call(self._stub.BatchDeleteMedia, request)

    def _call(self, method: Method[Request, Answer], request: Request) -> Answer:
        def send(seconds_left: float) -> Answer:
            try:
                return method(request, timeout=seconds_left, metadata=self._metadata())
            except grpc.RpcError as error:
                raise read_error(error) from error

        return self._repeat(send)

    def _repeat(self, send: Callable[[float], Answer]) -> Answer:
        start = self._clock.now()
        tries = CallTries(start + self._retry_for, fresh_token=callable(self._token))
        while True:
            if self._closed.is_set():
                raise Unavailable("The client is closed.")
            try:
                return send(start + self._timeout - self._clock.now())
            except RushesError as error:
                delay = tries.after(error, self._clock.now())
                if delay is None or self._clock.wait(self._closed, delay):
                    raise

    def _pages(self, method: Method[Listing, Page], request: Listing) -> Iterator[Page]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request = requests.next_page(request, page.next_page_token)

    def _open_watch(self, request: pb.WatchJobsRequest) -> Call:
        return self._stub.WatchJobs(request, metadata=self._metadata())

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return call_metadata(self._token() if callable(self._token) else self._token)


def _open_channel(server: str, secure: bool) -> grpc.Channel:
    target, secure = parse_server(server, secure)
    options = channel_options(target)
    if secure:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(target, options)
