"""The client: a method for each thing that the service does."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Unpack

from rushes import requests
from rushes._async.account_calls import AsyncAccountCalls
from rushes._async.admin_calls import AsyncAdminCalls
from rushes._async.connection import first
from rushes._async.inbox_calls import AsyncInboxCalls
from rushes._async.job_calls import AsyncJobCalls
from rushes._async.job_handle import AsyncJobHandle
from rushes._async.seam import run_blocking
from rushes._async.share_calls import AsyncShareCalls
from rushes._async.view_calls import AsyncViewCalls
from rushes._async.webhook_calls import AsyncWebhookCalls
from rushes.download import PathTarget, check_folder, export_to_path
from rushes.errors import InvalidArgument, Unavailable, warn
from rushes.fields import (
    Amount,
    ImageFields,
    ImageJob,
    JobFields,
    LibraryFilter,
    Seconds,
    SpecChanges,
    VideoFields,
    VideoJob,
    shows_fields,
)
from rushes.results import Batch, JobResult
from rushes.upload import ProgressHandler, Sending, UploadSource, measure
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import ImageSpec, Job, MediaInput, VideoSpec
from rushes.v1.media_pb2 import Media
from rushes.v1.model_pb2 import Model, PromptTemplate
from rushes.v1.recipe_pb2 import Recipe
from rushes.watch_protocol import EventHandler


class AsyncClient(
    AsyncJobCalls,
    AsyncInboxCalls,
    AsyncAccountCalls,
    AsyncViewCalls,
    AsyncShareCalls,
    AsyncWebhookCalls,
    AsyncAdminCalls,
):
    """Talks to one Rushes server. Use it with `async with`, or call `close()`.

    Threads may share a synchronous client, and the tasks of one event loop an asyncio one.

    server: host:port, or an address that starts with http:// or https://; RUSHES_SERVER when it
        is not given, else localhost:8080.
    token: a JWT or an API key, or a function that returns one and is called before every call;
        RUSHES_TOKEN or the file that RUSHES_TOKEN_FILE names when it is not given.
    secure: TLS; an https address implies it.
    timeout: seconds that one call may take, with its repetitions.
    retry_for: seconds for which a call is repeated while the server can't be reached.
    channel: a channel made elsewhere, for other credentials; it is closed with the client.

    Every refusal and failure is a `rushes.RushesError`; `rushes.errors` draws the classes. A value
    that no request can hold (a seed of 20 digits, an unknown `quality`) is an InvalidArgument,
    which is also a ValueError.
    """

    @shows_fields(VideoFields, JobFields)
    async def generate_video(self, prompt: str, **fields: Unpack[VideoJob]) -> Job:
        """Submits a video job: when this returns, the job is durable."""
        handle = await self.submit_video(prompt, **fields)
        warn(handle.warnings)
        return handle.job

    @shows_fields(ImageFields, JobFields)
    async def generate_image(self, prompt: str, **fields: Unpack[ImageJob]) -> Job:
        """Submits an image job: when this returns, the job is durable."""
        handle = await self.submit_image(prompt, **fields)
        warn(handle.warnings)
        return handle.job

    @shows_fields(VideoFields, JobFields)
    async def submit_video(self, prompt: str, **fields: Unpack[VideoJob]) -> AsyncJobHandle:
        """As `generate_video`; the answer is a handle to watch, await, cancel and fetch it."""
        await self._upload_inputs(fields)
        request = requests.video_request(prompt, fields)
        return self._handle(await self._call(self._stub.GenerateVideo, request))

    @shows_fields(ImageFields, JobFields)
    async def submit_image(self, prompt: str, **fields: Unpack[ImageJob]) -> AsyncJobHandle:
        """As `generate_image`; the answer is a handle to watch, await, cancel and fetch it."""
        await self._upload_inputs(fields)
        request = requests.image_request(prompt, fields)
        return self._handle(await self._call(self._stub.GenerateImage, request))

    @shows_fields(VideoFields, JobFields)
    async def run_video(
        self,
        prompt: str,
        *,
        out: PathTarget | None = None,
        on_event: EventHandler | None = None,
        timeout: float | None = None,
        **fields: Unpack[VideoJob],
    ) -> JobResult:
        """Submits a video job, waits until it has succeeded, and saves its outputs to `out`.

        out: a file, or a folder; see `download` of the job's handle. None saves nothing.
        on_event: is told everything on the way.
        timeout: seconds after which it raises DeadlineExceeded; the job goes on.

        Raises:
            JobFailed, JobCancelled: when it ended so.
        """
        _check_run(out, fields.get("validate_only"))
        handle = await self.submit_video(prompt, **fields)
        warn(handle.warnings)
        return await _finish(handle, out, on_event, timeout)

    @shows_fields(ImageFields, JobFields)
    async def run_image(
        self,
        prompt: str,
        *,
        out: PathTarget | None = None,
        on_event: EventHandler | None = None,
        timeout: float | None = None,
        **fields: Unpack[ImageJob],
    ) -> JobResult:
        """Submits an image job, waits until it has succeeded, and saves its outputs to `out`.

        out, on_event, timeout: as in `run_video`.
        """
        _check_run(out, fields.get("validate_only"))
        handle = await self.submit_image(prompt, **fields)
        warn(handle.warnings)
        return await _finish(handle, out, on_event, timeout)

    async def generate_batch(
        self,
        jobs: Iterable[pb.BatchGenerateRequest.Request],
        *,
        request_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        max_cost: Amount | None = None,
        validate_only: bool = False,
    ) -> Batch:
        """Submits up to 100 jobs (`video_job`, `image_job`), all or none.

        request_id: the same one with the same jobs returns the first batch; made when not given.
        labels: of all jobs; a job's own label wins.
        max_cost: the batch is refused when its jobs cost more together.
        validate_only: checks and prices the jobs; nothing is stored.
        """
        request = requests.batch_request(jobs, request_id, labels, max_cost, validate_only)
        for source in requests.inputs_to_upload(request):
            media = await self.upload(source.content)
            source.media_id = media.media_id
        answer = await self._call(self._stub.BatchGenerate, request)
        warn(answer.warnings)
        return Batch(
            batch_id=answer.batch_id,
            jobs=list(answer.jobs),
            estimated=answer.estimated,
            deduplicated=answer.deduplicated,
            warnings=tuple(answer.warnings),
        )

    @shows_fields(JobFields)
    async def generate_recipe(self, recipe: Recipe, **options: Unpack[JobFields]) -> Job:
        """Submits a job that makes the item of a recipe again, with options of its own."""
        handle = await self.submit_recipe(recipe, **options)
        warn(handle.warnings)
        return handle.job

    @shows_fields(JobFields)
    async def submit_recipe(self, recipe: Recipe, **options: Unpack[JobFields]) -> AsyncJobHandle:
        """As `generate_recipe`; the answer is a handle of the new job.

        The inputs must still be in the library. The new job makes as many outputs as the first;
        `recipe.output_index` says which of them is the item's.
        """
        request = requests.recipe_request(recipe, options)
        if isinstance(request, pb.GenerateVideoRequest):
            return self._handle(await self._call(self._stub.GenerateVideo, request))
        return self._handle(await self._call(self._stub.GenerateImage, request))

    async def job_handle(self, job_id: str) -> AsyncJobHandle:
        """A handle of a job that was submitted before."""
        return AsyncJobHandle(self, await self.get_job(job_id))

    @shows_fields(JobFields)
    async def retry(
        self,
        job_id: str,
        *,
        changes: SpecChanges | None = None,
        seed_of: str = "",
        **options: Unpack[JobFields],
    ) -> Job:
        """A new job from the spec of an ended one, with options of its own.

        changes: fields of the spec to replace, as for `generate_video` or `generate_image`; None
            clears one. `{"model": "better"}`.
        seed_of: ID of an output of the job whose seed to use: with another model it finishes a
            draft.
        """
        handle = await self.submit_retry(job_id, changes=changes, seed_of=seed_of, **options)
        warn(handle.warnings)
        return handle.job

    @shows_fields(JobFields)
    async def submit_retry(
        self,
        job_id: str,
        *,
        changes: SpecChanges | None = None,
        seed_of: str = "",
        **options: Unpack[JobFields],
    ) -> AsyncJobHandle:
        """As `retry`; the answer is a handle of the new job."""
        changed: SpecChanges = {**(changes or {})}
        kind = ""
        if requests.given_changes(changed):
            kind = (await self.get_job(job_id)).WhichOneof("spec") or ""
            await self._upload_inputs(changed)
        request = requests.retry_request(job_id, options, kind, changed, seed_of)
        return self._handle(await self._call(self._stub.RetryJob, request))

    async def estimate_cost(
        self, spec: VideoSpec | ImageSpec, models: Sequence[str] = ()
    ) -> list[pb.EstimateCostResponse.Estimate]:
        """Prices a spec (`video_spec`, `image_spec`) on its own model or on several.

        Each estimate has a cost, or an `error` that says why its model can't be priced.
        """
        request = requests.estimate_request(spec, models)
        return list((await self._call(self._stub.EstimateCost, request)).estimates)

    async def list_models(self) -> list[Model]:
        """The models of this installation, with limits and prices."""
        return list((await self._call(self._stub.ListModels, pb.ListModelsRequest())).models)

    async def list_prompt_templates(self) -> list[PromptTemplate]:
        """The values that `style_pack`, `mood` and `cinematography` may have, with their texts."""
        request = pb.ListPromptTemplatesRequest()
        answer = await self._call(self._stub.ListPromptTemplates, request)
        return list(answer.prompt_templates)

    def jobs(
        self,
        *,
        states: Iterable[Job.State | str] = (),
        labels: Mapping[str, str] | None = None,
        batch_id: str = "",
        limit: int | None = None,
    ) -> AsyncIterator[Job]:
        """The jobs, newest first; pages are read as they are needed.

        states: of rushes.v1.Job.State, in upper or lower case; any of them must match.
        labels: all of them must match.
        batch_id: only those of this batch.
        """
        request = requests.jobs_request(states, labels, limit, batch_id)
        pages = self._pages(self._stub.ListJobs, request)
        return first(limit, (job async for page in pages for job in page.jobs))

    def job_events(self, job_id: str) -> AsyncIterator[pb.WatchEvent]:
        """The state changes of one job, oldest first."""
        request = pb.ListJobEventsRequest(job_id=job_id)
        pages = self._pages(self._stub.ListJobEvents, request)
        return (event async for page in pages for event in page.events)

    @shows_fields(LibraryFilter)
    def library(
        self, limit: int | None = None, **wanted: Unpack[LibraryFilter]
    ) -> AsyncIterator[Media]:
        """The library, or with `deleted` the bin, newest first, read page by page."""
        pages = self._pages(self._stub.ListMedia, requests.library_request(wanted, limit))
        return first(limit, (item async for page in pages for item in page.media))

    async def upload(
        self, source: UploadSource, on_progress: ProgressHandler | None = None
    ) -> Media:
        """Puts a picture or a video of your own into the library; goes on after cuts.

        The same bytes are sent once: when the library has them, the answer is that item, and an
        upload that was not finished, also by another process, is continued.

        source: a path, bytes, or an open file that can seek.
        on_progress: is told the bytes that are sent and their number, perhaps in another thread.

        Raises:
            InvalidRequest: when it is no image or video that the server takes.
            LimitReached: when there is no room for it.
            Unavailable: when the server can't be reached for a while; what had come is kept a day.
        """
        asked = await run_blocking(lambda stop: measure(source, stop), self._closed)
        begun = await self._call(self._stub.CreateUpload, asked)
        if not begun.upload_url:
            return await self.get_media(begun.media_id)
        sending = Sending(source, begun.upload_url, asked.size_bytes, on_progress)
        while True:
            reached = sending.reached
            try:
                return await self._repeat(lambda _: run_blocking(sending.send, self._closed))
            except Unavailable:
                if sending.reached == reached:
                    raise

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
        """Puts a media item into the bin, or deletes it permanently. Fine to repeat."""
        request = pb.DeleteMediaRequest(media_id=media_id, permanent=permanent)
        await self._call(self._stub.DeleteMedia, request)

    async def undelete_media(self, media_id: str) -> Media:
        """Takes a media item out of the bin. Fine to repeat."""
        request = pb.UndeleteMediaRequest(media_id=media_id)
        return (await self._call(self._stub.UndeleteMedia, request)).media

    async def batch_delete(self, media_ids: Sequence[str], *, permanent: bool = False) -> None:
        """Puts all of them into the bin (or deletes them permanently), or none."""
        request = requests.batch_delete_request(media_ids, permanent)
        await self._call(self._stub.BatchDeleteMedia, request)

    async def create_export(
        self, media_ids: Sequence[str], url_ttl: Seconds | None = None
    ) -> pb.CreateExportResponse:
        """A signed address of a ZIP with up to 1000 items and a manifest, for whoever gets it.

        url_ttl: seconds for which it works.
        """
        request = requests.export_request(media_ids, url_ttl)
        return await self._call_once(self._stub.CreateExport, request)

    async def export(self, media_ids: Sequence[str], to: PathTarget) -> Path:
        """Saves up to 1000 items as a ZIP with a manifest; the file appears once it is whole.

        to: a path. The answer is the same.

        Raises:
            NotFound: when one of the items is not in the library.
            OSError: when the folder is missing or the file can't be written.
        """
        check_folder(to)
        path = Path(to)
        made = await self.create_export(media_ids)

        async def save(_: float) -> None:
            await run_blocking(
                lambda stop: export_to_path(made.export_url, path, stop), self._closed
            )

        await self._repeat(save)
        return path

    async def _upload_inputs(self, fields: VideoJob | ImageJob | SpecChanges) -> None:
        """Uploads the inputs that a request can't hold."""
        for name, number, source in requests.too_large(fields):
            content = source.content if isinstance(source, MediaInput) else source
            assert not isinstance(content, Media)
            requests.put_input(fields, name, number, await self.upload(content))

    def _handle(
        self, answer: pb.GenerateVideoResponse | pb.GenerateImageResponse | pb.RetryJobResponse
    ) -> AsyncJobHandle:
        return AsyncJobHandle(
            self, answer.job, deduplicated=answer.deduplicated, warnings=answer.warnings
        )


def _check_run(out: PathTarget | None, validate_only: bool | None) -> None:
    """Finds what would be wrong after the job was paid for."""
    if validate_only:
        text = "makes no job to wait for; use submit_video or submit_image"
        raise InvalidArgument("validate_only", text)
    if out is not None:
        check_folder(out)


async def _finish(
    handle: AsyncJobHandle,
    out: PathTarget | None,
    on_event: EventHandler | None,
    timeout: float | None,
) -> JobResult:
    job = await handle.wait(on_event, timeout)
    return JobResult(job, await handle.download(out) if out is not None else [])
