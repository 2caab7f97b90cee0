"""Checks every request in one place.

Each becomes a value of `server.commands.requests`, or FieldInvalid naming all wrong fields.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from google.protobuf.message import Message

from core.catalog.models import Catalog, Model
from core.catalog.prompts import Prompts
from core.errors import InputInvalid, PriceUnknown, RequestError, field_invalid
from core.files.sniff import EXTENSIONS
from core.jobs import Job, State
from core.media import MediaType
from core.process.settings import Settings
from core.specs import Spec
from rushes.v1 import job_pb2, media_pb2, recipe_pb2
from rushes.v1 import media_service_pb2 as pb
from server.commands.exports import NewExport
from server.commands.refusals import naming_request
from server.commands.requests import (
    Batch,
    Cancellation,
    Candidate,
    JobEventList,
    JobList,
    MediaChange,
    MediaList,
    NewUpload,
    Options,
    Retry,
    Submission,
    Unpriced,
)
from server.validation import fields as f
from server.validation.inputs import forget_bytes, refuse_bytes
from server.validation.problems import Problems
from server.validation.retries import Changes, changed_spec, read_changes
from server.validation.specs import READERS, Draft, Known
from server.watch.lines import JOBS, NOTIFICATIONS, VIEWS
from server.watch.query import CHECKPOINT_MS, PROGRESS_MS, WatchQuery

_INCLUDES = {"NOTIFICATIONS": NOTIFICATIONS, "VIEWS": VIEWS}
_MIB = 1024 * 1024
# One for all watches, because an empty frozenset of its own costs each one 200 bytes.
_NONE: frozenset[Any] = frozenset()


class Validator:
    """Checks requests against the limits of the settings, the models and the prompt templates."""

    def __init__(self, settings: Settings, catalog: Catalog, prompts: Prompts) -> None:
        self._settings = settings
        self._catalog = catalog
        self._known = Known(settings, catalog, prompts)

    def generate_video(self, request: pb.GenerateVideoRequest) -> Submission:
        """The video job that is asked for."""
        return self._generate("video", request)

    def generate_image(self, request: pb.GenerateImageRequest) -> Submission:
        """The image job that is asked for."""
        return self._generate("image", request)

    def batch_generate(self, request: pb.BatchGenerateRequest) -> Batch:
        """The jobs that are asked for together.

        A wrong field is named with its request: "requests[3].spec.prompt". An error that names no
        field has the number of its request as `index` in its metadata.
        """
        problems, most = Problems(), self._settings.max_batch_jobs
        if not 1 <= len(request.requests) <= most:
            raise field_invalid("requests", f"must be from 1 to {most}")
        paths = [f"requests[{number}]" for number in range(len(request.requests))]
        specs = [
            _spec_of_request(problems, *one) for one in zip(paths, request.requests, strict=True)
        ]
        labels = f.check_labels(problems, "labels", request.labels, self._settings.max_labels)
        batch = Batch(
            submissions=(),
            request_id=f.check_request_id(problems, "request_id", request.request_id),
            max_cost_micros=self._max_cost(problems, request, "max_cost"),
            validate_only=request.validate_only,
        )
        problems.raise_wrong()
        whole = [(f"{path}.spec", spec) for path, (_, spec) in zip(paths, specs, strict=True)]
        refuse_bytes(whole, self._settings.max_inline_bytes)
        read = []
        for path, (kind, spec), one in zip(paths, specs, request.requests, strict=True):
            part = problems.part()
            draft = READERS[kind](self._known, part, spec, f"{path}.spec").read()
            read.append((part, draft, self._options_in_batch(part, one.options, path, labels)))
        problems.raise_wrong()
        submissions = []
        for number, one_read in enumerate(read):
            with naming_request(number):
                submissions.append(self._checked(*one_read))
        return replace(batch, submissions=tuple(submissions))

    def estimate_cost(self, request: pb.EstimateCostRequest) -> list[Candidate | Unpriced]:
        """The candidates to price, one entry per model, in the order of the request.

        An error that is one model's own stands in that model's place. Without `models` the model
        is a part of the spec, and its error fails the call as it would fail Generate.
        """
        if request.WhichOneof("spec") not in READERS:
            raise field_invalid("spec", "video or image must be set")
        if len(request.models) > f.MAX_ESTIMATED_MODELS:
            raise field_invalid("models", f"at most {f.MAX_ESTIMATED_MODELS} are allowed")
        # Each model reads the spec, so what they share is looked at once.
        kind = str(request.WhichOneof("spec"))
        forget_bytes(getattr(request, kind), kind, self._settings.max_inline_bytes)
        if not request.models:
            return [self._candidate(*self._draft(request))]
        return [
            self._candidate_or_error(request, name, f"models[{number}]")
            for number, name in enumerate(request.models)
        ]

    def retry_job(self, request: pb.RetryJobRequest) -> Retry:
        """The job to repeat, how to run it, and what to change."""
        problems = Problems()
        job_id = f.check_id(problems, "job_id", request.job_id)
        options = self._options(problems, request.options)
        changes = read_changes(problems, request)
        problems.raise_wrong()
        if changes is None:
            return Retry(job_id=job_id, options=options)
        return Retry(
            job_id=job_id,
            options=options,
            change=partial(self._changed, changes, options),
            changes=changes.digest,
        )

    def get_job(self, request: pb.GetJobRequest) -> tuple[str, int]:
        """The job's id and the milliseconds to wait for its end."""
        problems = Problems()
        job_id = f.check_id(problems, "job_id", request.job_id)
        wait = f.read_duration(problems, "wait", request.wait) or 0
        problems.raise_wrong()
        return job_id, min(wait, f.MAX_WAIT_MS)

    def list_jobs(self, request: pb.ListJobsRequest) -> JobList:
        """Which jobs to list."""
        problems = Problems()
        names = [
            _given(problems, f"states[{number}]", job_pb2.Job.State, value)
            for number, value in enumerate(request.states[: f.MAX_IDS])
        ]
        labels = self._label_filter(problems, request.labels)
        size, token = self._page(problems, request)
        batch_id = f.check_optional_id(problems, "batch_id", request.batch_id)
        problems.raise_wrong()
        states = tuple(sorted({State(name) for name in names}))
        return JobList(
            page_size=size, page_token=token, states=states, labels=labels, batch_id=batch_id
        )

    def list_job_events(self, request: pb.ListJobEventsRequest) -> JobEventList:
        """Which events to list."""
        problems = Problems()
        job_id = f.check_id(problems, "job_id", request.job_id)
        size, token = self._page(problems, request)
        problems.raise_wrong()
        return JobEventList(job_id=job_id, page_size=size, page_token=token)

    def cancel_job(self, request: pb.CancelJobRequest) -> Cancellation:
        """The job to cancel, and how."""
        problems = Problems()
        job_id = f.check_id(problems, "job_id", request.job_id)
        f.check_text(problems, "reason", request.reason, f.MAX_REASON_CHARACTERS, lines=True)
        problems.raise_wrong()
        return Cancellation(job_id=job_id, reason=request.reason, only_if_free=request.only_if_free)

    def watch_jobs(self, request: pb.WatchJobsRequest) -> WatchQuery:
        """Which jobs to watch, and how."""
        problems = Problems()
        job_ids = f.check_ids(problems, "job_ids", request.job_ids)
        labels = self._label_filter(problems, request.labels)
        watch = WatchQuery(
            resume_token=f.check_token(problems, "resume_token", request.resume_token),
            job_ids=frozenset(job_ids) or _NONE,
            labels=frozenset(labels.items()) or _NONE,
            recent_ms=_span(problems, request, "recent", (0, 0, f.MAX_RECENT_MS)),
            checkpoint_ms=_span(problems, request, "checkpoint_interval", CHECKPOINT_MS),
            progress_ms=_span(problems, request, "progress_interval", PROGRESS_MS),
            until_done=request.until_done,
            parts=_included(problems, request.include),
            batch_id=f.check_optional_id(problems, "batch_id", request.batch_id),
        )
        problems.raise_wrong()
        return watch

    def get_media(self, request: pb.GetMediaRequest) -> tuple[str, int | None]:
        """The item's id, and the lifetime of its addresses in seconds."""
        problems = Problems()
        media_id = f.check_id(problems, "media_id", request.media_id)
        ttl = f.read_url_ttl(problems, request)
        problems.raise_wrong()
        return media_id, ttl

    def list_media(self, request: pb.ListMediaRequest) -> MediaList:
        """Which media items to list."""
        problems = Problems()
        size, token = self._page(problems, request)
        kind = f.read_enum(problems, "type", media_pb2.Media.Type, request.type)
        wanted = MediaList(
            page_size=size,
            page_token=token,
            type=MediaType(kind) if kind else None,
            labels=self._label_filter(problems, request.labels),
            query=f.check_query(problems, "query", request.query),
            starred=request.starred,
            create_time_from=_time(problems, request, "create_time_from"),
            create_time_until=_time(problems, request, "create_time_until"),
            deleted=request.deleted,
            url_ttl_seconds=f.read_url_ttl(problems, request),
        )
        problems.raise_wrong()
        return wanted

    def update_media(self, request: pb.UpdateMediaRequest) -> MediaChange:
        """The change of an item that is asked for."""
        problems = Problems()
        most = self._settings.max_labels
        f.check_text(problems, "title", request.title, f.MAX_TITLE_CHARACTERS)
        change = MediaChange(
            media_id=f.check_id(problems, "media_id", request.media_id),
            title=request.title if request.HasField("title") else None,
            starred=request.starred if request.HasField("starred") else None,
            labels=f.check_labels(problems, "labels", request.labels, most, removable=True),
        )
        problems.raise_wrong()
        return change

    def media_id(
        self,
        request: pb.DeleteMediaRequest | pb.UndeleteMediaRequest | recipe_pb2.GetRecipeRequest,
    ) -> str:
        """The item's id."""
        problems = Problems()
        media_id = f.check_id(problems, "media_id", request.media_id)
        problems.raise_wrong()
        return media_id

    def create_upload(self, request: pb.CreateUploadRequest) -> NewUpload:
        """The file that is to be sent.

        Raises:
            InputInvalid: when it is said to be neither an image nor a video that is taken here.
        """
        problems = Problems()
        most = self._largest(request.mime_type)
        if not 1 <= request.size_bytes <= most:
            problems.wrong("size_bytes", f"must be between 1 and {most}")
        sha256 = f.check_sha256(problems, "sha256", request.sha256)
        problems.raise_wrong()
        return NewUpload(size_bytes=request.size_bytes, sha256=sha256)

    def batch_delete(self, request: pb.BatchDeleteMediaRequest) -> tuple[str, ...]:
        """The ids of the items, at least one."""
        problems = Problems()
        if not request.media_ids:
            problems.wrong("media_ids", "must name at least one media item")
        media_ids = f.check_ids(problems, "media_ids", request.media_ids)
        problems.raise_wrong()
        return media_ids

    def create_export(self, request: pb.CreateExportRequest) -> NewExport:
        """The items to export, at least one, and the lifetime of the address."""
        problems, most = Problems(), self._settings.max_export_items
        if not request.media_ids:
            problems.wrong("media_ids", "must name at least one media item")
        media_ids = f.check_ids(problems, "media_ids", request.media_ids, most)
        ttl = f.read_url_ttl(problems, request)
        problems.raise_wrong()
        return NewExport(media_ids=media_ids, ttl_seconds=ttl)

    def _generate(
        self, kind: str, request: pb.GenerateVideoRequest | pb.GenerateImageRequest
    ) -> Submission:
        problems = Problems()
        draft = READERS[kind](self._known, problems, request.spec, "spec").read()
        return self._submission(problems, draft, request.options)

    def _changed(self, changes: Changes, options: Options, job: Job) -> Submission | None:
        """The job with the changes, named as in the request; None when they change nothing."""
        problems = Problems()
        spec = changed_spec(problems, changes, job, self._catalog)
        if spec is None:
            return None
        draft = READERS[job.kind](self._known, problems, spec, job.kind).read()
        return self._checked(problems, draft, options)

    def _submission(self, problems: Problems, draft: Draft, options: pb.JobOptions) -> Submission:
        return self._checked(problems, draft, self._options(problems, options))

    def _checked(self, problems: Problems, draft: Draft, options: Options) -> Submission:
        problems.raise_wrong()
        if draft.model and problems.unsupported_fields:
            # MODEL_RETIRED says more than what the model could not do. Without such fields Submit
            # looks for a repeated request_id first: its job may be older than the model's end.
            self._catalog.refuse_retired(draft.model)
        problems.raise_any(draft.model.model if draft.model else "")
        model, spec = _whole(draft)
        return Submission(
            model=model,
            spec=spec,
            final_prompt=draft.final_prompt,
            options=options,
            inline=draft.inline,
            remote=draft.remote,
            given=draft.given,
        )

    def _candidate_or_error(
        self, request: pb.EstimateCostRequest, name: str, field: str
    ) -> Candidate | Unpriced:
        problems, draft = self._draft(request, name, field)
        problems.raise_wrong_for_all()
        try:
            return self._candidate(problems, draft)
        except RequestError as error:
            return Unpriced(model=name, error=error)

    def _draft(
        self, request: pb.EstimateCostRequest, name: str = "", model_field: str = ""
    ) -> tuple[Problems, Draft]:
        problems = Problems()
        # A spec's field of the request has the name of its kind.
        kind = str(request.WhichOneof("spec"))
        spec = getattr(request, kind)
        reader = READERS[kind](self._known, problems, spec, kind, name, model_field)
        return problems, reader.read()

    def _candidate(self, problems: Problems, draft: Draft) -> Candidate:
        problems.raise_wrong()
        if draft.model:
            self._catalog.refuse_retired(draft.model, draft.model_field)
        if draft.spec is None:
            problems.raise_any(draft.model.model if draft.model else "")
        model, spec = _whole(draft)
        if model.estimate_micros(spec, draft.final_prompt) is None:
            raise PriceUnknown(model=model.model)
        unsupported = tuple(field.partition(".")[2] for field in problems.unsupported_fields)
        return Candidate(
            model=model,
            spec=spec,
            final_prompt=draft.final_prompt,
            unsupported_fields=unsupported,
        )

    def _options(
        self, problems: Problems, options: pb.JobOptions, path: str = "options"
    ) -> Options:
        most = self._settings.max_labels
        longest = self._settings.max_finish_seconds * 1000
        return Options(
            request_id=f.check_request_id(problems, f"{path}.request_id", options.request_id),
            labels=f.check_labels(problems, f"{path}.labels", options.labels, most),
            max_cost_micros=self._max_cost(problems, options, f"{path}.max_cost"),
            start_within_ms=_limit(problems, options, path, "start_within", longest),
            finish_within_ms=_limit(problems, options, path, "finish_within", longest),
            validate_only=options.validate_only,
            apply_to_view=f.check_view(
                problems, f"{path}.apply_to_view", options.apply_to_view, needed=False
            ),
        )

    def _options_in_batch(
        self, problems: Problems, options: pb.JobOptions, path: str, labels: dict[str, str]
    ) -> Options:
        """The options of one request; its own label wins over one of the batch."""
        for field in ("request_id", "validate_only"):
            if getattr(options, field):
                problems.wrong(f"{path}.options.{field}", "is the batch's; set it there")
        own = self._options(problems, options, f"{path}.options")
        merged = {**labels, **own.labels}
        if len(merged) > self._settings.max_labels:
            text = f"has {len(merged)} labels together with those of the batch"
            most = self._settings.max_labels
            problems.wrong(f"{path}.options.labels", f"{text}; at most {most} are allowed")
        return replace(own, labels=merged)

    def _max_cost(self, problems: Problems, message: Any, field: str) -> int | None:
        if not message.HasField("max_cost"):
            return None
        return f.read_money(problems, field, message.max_cost, self._settings.currency)

    def _largest(self, mime_type: str) -> int:
        """Bytes that an upload of this type may have; one whose type is not known has most."""
        if mime_type and mime_type not in EXTENSIONS:
            raise InputInvalid("mime_type", f"use one of {', '.join(EXTENSIONS)}")
        image, video = (
            self._settings.max_upload_image_megabytes,
            self._settings.max_upload_video_megabytes,
        )
        if mime_type:
            return _MIB * (image if mime_type.startswith("image/") else video)
        return _MIB * max(image, video)

    def _page(self, problems: Problems, request: Any) -> tuple[int, str]:
        most = self._settings.max_page_size
        size = f.check_page_size(problems, "page_size", request.page_size, most)
        return size, f.check_token(problems, "page_token", request.page_token)

    def _label_filter(self, problems: Problems, labels: Any) -> dict[str, str]:
        return f.check_label_filter(problems, "labels", labels, self._settings.max_labels)


def _whole(draft: Draft) -> tuple[Model, Spec]:
    """The model and the spec, which a request without problems has."""
    if draft.model is None or draft.spec is None:
        raise AssertionError("a draft without a spec has problems")
    return draft.model, draft.spec


def _spec_of_request(
    problems: Problems, path: str, request: pb.BatchGenerateRequest.Request
) -> tuple[str, Message]:
    """The kind and the spec of a request of a batch; the problems know it when there is none."""
    kind = request.WhichOneof("spec")
    if kind is None:
        problems.wrong(f"{path}.spec", "video or image must be set")
        return "", request
    return str(kind), getattr(request, kind)


def _included(problems: Problems, include: Any) -> int:
    """The parts of changes that a watch sends."""
    parts = JOBS
    for number, value in enumerate(include[: f.MAX_IDS]):
        field = f"include[{number}]"
        name = f.read_enum(problems, field, pb.WatchJobsRequest.Include, value)
        if not value:
            problems.wrong(field, "must name what to include")
        parts |= _INCLUDES.get(name, 0)
    return parts


def _given(problems: Problems, field: str, enum: Any, value: int) -> str:
    name = f.read_enum(problems, field, enum, value)
    if not value:
        problems.wrong(field, "must name a state")
    return name


def _span(problems: Problems, request: Message, field: str, limits: tuple[int, int, int]) -> int:
    """Milliseconds, coerced to between the least and the most; the default when it is not set."""
    least, default, most = limits
    if not request.HasField(field):
        return default
    ms = f.read_duration(problems, field, getattr(request, field))
    return min(max(ms or 0, least), most)


def _limit(
    problems: Problems, options: pb.JobOptions, path: str, name: str, most: int
) -> int | None:
    """Milliseconds of a deadline that the caller chose; None when there is none."""
    if not options.HasField(name):
        return None
    return f.check_deadline(problems, f"{path}.{name}", getattr(options, name), most)


def _time(problems: Problems, request: Message, field: str) -> int | None:
    if not request.HasField(field):
        return None
    return f.read_time(problems, field, getattr(request, field))
