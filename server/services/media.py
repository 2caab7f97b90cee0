"""MediaService: each RPC takes the caller, checks the request, runs one command, maps the answer.

Plain methods run in a thread of the pool (`interceptors.invoke`), async methods in the event loop.
"""

from typing import Any

from core.catalog.models import Catalog
from core.catalog.prompts import Prompts
from core.scopes import Scope
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from rushes.v1 import recipe_pb2
from server.commands.batches import SubmitBatch
from server.commands.cancel import Cancel
from server.commands.exports import CreateExport
from server.commands.library import Library
from server.commands.read import Read
from server.commands.submit import Submit
from server.commands.uploads import BeginUpload
from server.interceptors.layer import Context
from server.mapping import Mapper
from server.mapping.models import template_to_proto
from server.mapping.recipes import recipe_to_proto
from server.mapping.values import money, timestamp
from server.parts import Parts
from server.principal import require_principal, require_scope
from server.validation import Validator
from server.watch.calls import WatchCalls
from server.watch.lines import NOTIFICATIONS, VIEWS


def _user() -> str:
    return require_principal().user_id


class MediaService(rpc.MediaServiceServicer):
    """Holds no rules: `validation` and `commands` have them."""

    def __init__(
        self,
        *,
        validator: Validator,
        mapper: Mapper,
        catalog: Catalog,
        prompts: Prompts,
        submit: Submit,
        batches: SubmitBatch,
        cancel: Cancel,
        read: Read,
        library: Library,
        uploads: BeginUpload,
        exports: CreateExport,
        watch: WatchCalls,
    ) -> None:
        self._check = validator
        self._map = mapper
        self._catalog = catalog
        self._prompts = prompts
        self._submit = submit
        self._batches = batches
        self._cancel = cancel
        self._read = read
        self._library = library
        self._uploads = uploads
        self._exports = exports
        self._watch = watch

    def GenerateVideo(
        self, request: pb.GenerateVideoRequest, context: Context
    ) -> pb.GenerateVideoResponse:
        done = self._submit.submit(_user(), self._check.generate_video(request))
        return pb.GenerateVideoResponse(
            job=self._map.job_to_proto(done.job, done.queue),
            deduplicated=done.deduplicated,
            warnings=done.warnings,
        )

    def GenerateImage(
        self, request: pb.GenerateImageRequest, context: Context
    ) -> pb.GenerateImageResponse:
        done = self._submit.submit(_user(), self._check.generate_image(request))
        return pb.GenerateImageResponse(
            job=self._map.job_to_proto(done.job, done.queue),
            deduplicated=done.deduplicated,
            warnings=done.warnings,
        )

    def BatchGenerate(
        self, request: pb.BatchGenerateRequest, context: Context
    ) -> pb.BatchGenerateResponse:
        done = self._batches.submit(_user(), self._check.batch_generate(request))
        placed = zip(done.jobs, done.places, strict=True)
        return pb.BatchGenerateResponse(
            batch_id=done.batch_id,
            jobs=[self._map.job_fields(*one) for one in placed],
            deduplicated=done.deduplicated,
            warnings=done.warnings,
            estimated=money(done.estimated_micros, self._map.currency),
        )

    def EstimateCost(
        self, request: pb.EstimateCostRequest, context: Context
    ) -> pb.EstimateCostResponse:
        estimates = self._read.estimates(_user(), self._check.estimate_cost(request))
        return pb.EstimateCostResponse(estimates=map(self._map.estimate_to_proto, estimates))

    def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        now = self._catalog.clock()
        models = [self._map.model_to_proto(m, now) for m in self._catalog.models.values()]
        return pb.ListModelsResponse(models=models)

    def ListPromptTemplates(
        self, request: pb.ListPromptTemplatesRequest, context: Context
    ) -> pb.ListPromptTemplatesResponse:
        templates = [template_to_proto(*entry) for entry in self._prompts.entries()]
        return pb.ListPromptTemplatesResponse(prompt_templates=templates)

    def WatchJobs(self, request: pb.WatchJobsRequest, context: Context) -> Any:
        query = self._check.watch_jobs(request)
        if query.parts & NOTIFICATIONS:
            require_scope(Scope.NOTIFICATIONS_READ)
        if query.parts & VIEWS:
            require_scope(Scope.MEDIA_READ)
        return self._watch.serve(require_principal(), query, context.write)

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        job_id, wait_ms = self._check.get_job(request)
        show = self._map.job_to_proto
        return pb.GetJobResponse(job=await self._read.job_at_end(_user(), job_id, wait_ms, show))

    def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        page = self._read.jobs(_user(), self._check.list_jobs(request))
        return pb.ListJobsResponse(
            jobs=[self._map.job_fields(job, page.places.get(job.job_id)) for job in page.jobs],
            next_page_token=page.next_page_token,
            resume_token=page.resume_token,
        )

    def ListJobEvents(
        self, request: pb.ListJobEventsRequest, context: Context
    ) -> pb.ListJobEventsResponse:
        events, token = self._read.events(_user(), self._check.list_job_events(request))
        return pb.ListJobEventsResponse(
            events=map(self._map.stored_to_proto, events), next_page_token=token
        )

    def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        job, place = self._cancel.cancel(_user(), self._check.cancel_job(request))
        return pb.CancelJobResponse(job=self._map.job_to_proto(job, place))

    def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        done = self._submit.retry(_user(), self._check.retry_job(request))
        return pb.RetryJobResponse(
            job=self._map.job_to_proto(done.job, done.queue),
            deduplicated=done.deduplicated,
            warnings=done.warnings,
        )

    def GetMedia(self, request: pb.GetMediaRequest, context: Context) -> pb.GetMediaResponse:
        media_id, ttl = self._check.get_media(request)
        media = self._library.item(_user(), media_id)
        return pb.GetMediaResponse(media=self._map.media_to_proto(media, ttl))

    def GetRecipe(
        self, request: recipe_pb2.GetRecipeRequest, context: Context
    ) -> recipe_pb2.GetRecipeResponse:
        recipe = self._library.recipe(_user(), self._check.media_id(request))
        return recipe_pb2.GetRecipeResponse(recipe=recipe_to_proto(recipe, self._map.currency))

    def ListMedia(self, request: pb.ListMediaRequest, context: Context) -> pb.ListMediaResponse:
        wanted = self._check.list_media(request)
        items, token = self._library.items(_user(), wanted)
        ttl = wanted.url_ttl_seconds
        return pb.ListMediaResponse(
            media=[self._map.media_fields(media, ttl) for media in items], next_page_token=token
        )

    def UpdateMedia(
        self, request: pb.UpdateMediaRequest, context: Context
    ) -> pb.UpdateMediaResponse:
        media = self._library.change(_user(), self._check.update_media(request))
        return pb.UpdateMediaResponse(media=self._map.media_to_proto(media))

    def DeleteMedia(
        self, request: pb.DeleteMediaRequest, context: Context
    ) -> pb.DeleteMediaResponse:
        media_id = self._check.media_id(request)
        deleted = self._library.delete(_user(), [media_id], permanent=request.permanent)
        media = self._map.media_to_proto(deleted.items[0]) if deleted.items else None
        return pb.DeleteMediaResponse(media=media, cleared_views=deleted.cleared_views)

    def UndeleteMedia(
        self, request: pb.UndeleteMediaRequest, context: Context
    ) -> pb.UndeleteMediaResponse:
        media, former = self._library.undelete(_user(), self._check.media_id(request))
        return pb.UndeleteMediaResponse(media=self._map.media_to_proto(media), former_views=former)

    def BatchDeleteMedia(
        self, request: pb.BatchDeleteMediaRequest, context: Context
    ) -> pb.BatchDeleteMediaResponse:
        media_ids = self._check.batch_delete(request)
        deleted = self._library.delete(_user(), media_ids, permanent=request.permanent)
        return pb.BatchDeleteMediaResponse(
            media=map(self._map.media_to_proto, deleted.items),
            cleared_views=deleted.cleared_views,
        )

    def CreateUpload(
        self, request: pb.CreateUploadRequest, context: Context
    ) -> pb.CreateUploadResponse:
        begun = self._uploads.begin(_user(), self._check.create_upload(request))
        return pb.CreateUploadResponse(
            media_id=begun.media_id,
            upload_url=begun.upload_url,
            expire_time=timestamp(begun.expire_time),
        )

    def CreateExport(
        self, request: pb.CreateExportRequest, context: Context
    ) -> pb.CreateExportResponse:
        made = self._exports.create(_user(), self._check.create_export(request))
        return pb.CreateExportResponse(
            export_url=made.url,
            expire_time=timestamp(made.expire_time),
            size_bytes=made.size_bytes,
        )


def build_media_service(parts: Parts) -> MediaService:
    """The service with its commands, made of the parts of this process."""
    submit = Submit(
        parts.db,
        parts.queues,
        parts.blobs,
        parts.catalog,
        parts.changes,
        parts.settings,
        parts.pool,
    )
    return MediaService(
        validator=parts.validator,
        mapper=parts.mapper,
        catalog=parts.catalog,
        prompts=parts.prompts,
        submit=submit,
        batches=SubmitBatch(parts.db, parts.queues, parts.catalog, submit),
        cancel=Cancel(parts.queues, parts.changes),
        read=parts.read,
        library=Library(parts.db, parts.blobs, parts.tokens, parts.changes, parts.settings),
        uploads=BeginUpload(parts.db, parts.blobs, parts.signer, parts.settings),
        exports=CreateExport(parts.db, parts.signer, parts.settings),
        watch=parts.watch,
    )
