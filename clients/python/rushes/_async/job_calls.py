"""The calls about a job that exists: look, watch, wait, cancel, fetch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Unpack, overload

from rushes._async.connection import AsyncConnection
from rushes._async.event_stream import AsyncEventStream
from rushes._async.seam import run_blocking
from rushes.download import PathTarget, address_runs_out, download_to_file, download_to_path, target
from rushes.errors import DeadlineExceeded, RushesError, not_ended, outcome
from rushes.fields import Seconds, WatchFilter, shows_fields
from rushes.requests import watch_request
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import Job
from rushes.v1.media_pb2 import Media
from rushes.v1.recipe_pb2 import GetRecipeRequest, Recipe
from rushes.values import to_duration
from rushes.watch_protocol import EventHandler, WatchLimits, WatchProtocol, is_done


class AsyncJobCalls(AsyncConnection):
    """A connection with the calls about one job and its results."""

    async def get_job(self, job_id: str, wait: Seconds | None = None) -> Job:
        """One job; with `wait` (at most 50 s) as soon as it has ended, or after that time."""
        request = pb.GetJobRequest(job_id=job_id, wait=to_duration(wait, "wait"))
        return (await self._call(self._stub.GetJob, request)).job

    @shows_fields(WatchFilter)
    def watch(
        self,
        *,
        timeout: float | None = None,
        outage: float | None = None,
        on_retry: Callable[[RushesError, float], None] | None = None,
        **wanted: Unpack[WatchFilter],
    ) -> AsyncEventStream:
        """The caller's jobs, live: a snapshot, SYNCED, then every change, in order, once.

        timeout: seconds after which it raises DeadlineExceeded.
        outage: seconds without a server after which it gives up; None is never.
        on_retry: is told the error and the delay before it connects again.
        """
        limits = WatchLimits(connect=self._retry_for, outage=outage, total=timeout)
        protocol = WatchProtocol(
            watch_request(wanted), self._clock.now(), limits, fresh_token=callable(self._token)
        )
        stream = AsyncEventStream(self._open_watch, protocol, self._clock, on_retry)
        self._streams.add(stream)
        return stream

    async def wait(
        self, job_id: str, on_event: EventHandler | None = None, timeout: float | None = None
    ) -> Job:
        """The job once it has succeeded. `on_event` is told everything on the way.

        Raises:
            JobFailed, JobCancelled: when it ended so.
            DeadlineExceeded: after `timeout` seconds; the job goes on.
        """
        try:
            async with self.watch(job_ids=[job_id], until_done=True, timeout=timeout) as events:
                async for event in events:
                    if on_event is not None:
                        on_event(event)
                    if event.HasField("job") and is_done(event.job.job):
                        return outcome(event.job.job)
        except DeadlineExceeded as error:
            raise not_ended(job_id, timeout) from error
        return outcome(await self.get_job(job_id))

    async def cancel(self, job_id: str, reason: str = "", *, only_if_free: bool = False) -> Job:
        """Asks for the end of a job; the answer says what happened. Fine to repeat.

        Raises:
            PreconditionFailed: with `only_if_free`, when cancelling may cost something.
        """
        request = pb.CancelJobRequest(job_id=job_id, reason=reason, only_if_free=only_if_free)
        return (await self._call(self._stub.CancelJob, request)).job

    async def get_media(self, media_id: str, url_ttl: Seconds | None = None) -> Media:
        """One media item, with fresh signed addresses."""
        request = pb.GetMediaRequest(media_id=media_id, url_ttl=to_duration(url_ttl, "url_ttl"))
        return (await self._call(self._stub.GetMedia, request)).media

    async def get_recipe(self, media_id: str) -> Recipe:
        """How a media item was made, to keep and to make it again (`submit_recipe`).

        Raises:
            NotFound: when there is no such item, or it was uploaded.
        """
        request = GetRecipeRequest(media_id=media_id)
        return (await self._call(self._stub.GetRecipe, request)).recipe

    @overload
    async def download(self, media: Media | str, to: PathTarget) -> Path: ...
    @overload
    async def download(self, media: Media | str, to: IO[bytes]) -> None: ...
    async def download(self, media: Media | str, to: PathTarget | IO[bytes]) -> Path | None:
        """Saves a media item (or that of a media ID); a file appears once all bytes are there.

        to: a path, an open file, or a folder, where the file takes the media's ID as its name.
        The answer is the path of the file; None for an open file.

        Raises:
            DownloadDamaged: when the bytes are not those that the server promised.
            OSError: when the folder is missing or the file can't be written.
        """
        item = await self.get_media(media) if isinstance(media, str) else media
        if address_runs_out(item):
            item = await self.get_media(item.media_id)
        if not isinstance(to, str | os.PathLike):
            file = to
            await run_blocking(lambda stop: download_to_file(item, file, stop), self._closed)
            return None
        path = target(to, item)

        async def save(_: float) -> None:
            await run_blocking(lambda stop: download_to_path(item, path, stop), self._closed)

        await self._repeat(save)
        return path
