import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from rushes.v1 import analysis_pb2 as _analysis_pb2
from rushes.v1 import error_reason_pb2 as _error_reason_pb2
from rushes.v1 import job_pb2 as _job_pb2
from rushes.v1 import media_pb2 as _media_pb2
from rushes.v1 import model_pb2 as _model_pb2
from rushes.v1 import notification_pb2 as _notification_pb2
from rushes.v1 import recipe_pb2 as _recipe_pb2
from rushes.v1 import view_pb2 as _view_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobOptions(_message.Message):
    __slots__ = ("request_id", "labels", "max_cost", "start_within", "finish_within", "validate_only", "apply_to_view")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    START_WITHIN_FIELD_NUMBER: _ClassVar[int]
    FINISH_WITHIN_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    APPLY_TO_VIEW_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    labels: _containers.ScalarMap[str, str]
    max_cost: _money_pb2.Money
    start_within: _duration_pb2.Duration
    finish_within: _duration_pb2.Duration
    validate_only: bool
    apply_to_view: str
    def __init__(self, request_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., max_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., start_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., finish_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., validate_only: bool = ..., apply_to_view: _Optional[str] = ...) -> None: ...

class GenerateVideoRequest(_message.Message):
    __slots__ = ("spec", "options")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    spec: _job_pb2.VideoSpec
    options: JobOptions
    def __init__(self, spec: _Optional[_Union[_job_pb2.VideoSpec, _Mapping]] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...

class GenerateVideoResponse(_message.Message):
    __slots__ = ("job", "deduplicated", "warnings")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    deduplicated: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., deduplicated: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GenerateImageRequest(_message.Message):
    __slots__ = ("spec", "options")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    spec: _job_pb2.ImageSpec
    options: JobOptions
    def __init__(self, spec: _Optional[_Union[_job_pb2.ImageSpec, _Mapping]] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...

class GenerateImageResponse(_message.Message):
    __slots__ = ("job", "deduplicated", "warnings")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    deduplicated: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., deduplicated: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchGenerateRequest(_message.Message):
    __slots__ = ("requests", "request_id", "labels", "max_cost", "validate_only")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class Request(_message.Message):
        __slots__ = ("video", "image", "options")
        VIDEO_FIELD_NUMBER: _ClassVar[int]
        IMAGE_FIELD_NUMBER: _ClassVar[int]
        OPTIONS_FIELD_NUMBER: _ClassVar[int]
        video: _job_pb2.VideoSpec
        image: _job_pb2.ImageSpec
        options: JobOptions
        def __init__(self, video: _Optional[_Union[_job_pb2.VideoSpec, _Mapping]] = ..., image: _Optional[_Union[_job_pb2.ImageSpec, _Mapping]] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[BatchGenerateRequest.Request]
    request_id: str
    labels: _containers.ScalarMap[str, str]
    max_cost: _money_pb2.Money
    validate_only: bool
    def __init__(self, requests: _Optional[_Iterable[_Union[BatchGenerateRequest.Request, _Mapping]]] = ..., request_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., max_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., validate_only: bool = ...) -> None: ...

class BatchGenerateResponse(_message.Message):
    __slots__ = ("batch_id", "jobs", "deduplicated", "warnings", "estimated")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    deduplicated: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    estimated: _money_pb2.Money
    def __init__(self, batch_id: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., deduplicated: bool = ..., warnings: _Optional[_Iterable[str]] = ..., estimated: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class EstimateCostRequest(_message.Message):
    __slots__ = ("video", "image", "analysis", "models")
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    video: _job_pb2.VideoSpec
    image: _job_pb2.ImageSpec
    analysis: _analysis_pb2.AnalysisSpec
    models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, video: _Optional[_Union[_job_pb2.VideoSpec, _Mapping]] = ..., image: _Optional[_Union[_job_pb2.ImageSpec, _Mapping]] = ..., analysis: _Optional[_Union[_analysis_pb2.AnalysisSpec, _Mapping]] = ..., models: _Optional[_Iterable[str]] = ...) -> None: ...

class EstimateCostResponse(_message.Message):
    __slots__ = ("estimates",)
    class Estimate(_message.Message):
        __slots__ = ("model", "cost", "queue", "lines", "unsupported_fields", "affordable", "error")
        MODEL_FIELD_NUMBER: _ClassVar[int]
        COST_FIELD_NUMBER: _ClassVar[int]
        QUEUE_FIELD_NUMBER: _ClassVar[int]
        LINES_FIELD_NUMBER: _ClassVar[int]
        UNSUPPORTED_FIELDS_FIELD_NUMBER: _ClassVar[int]
        AFFORDABLE_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        model: str
        cost: _money_pb2.Money
        queue: _job_pb2.QueueInfo
        lines: _containers.RepeatedCompositeFieldContainer[_model_pb2.PriceLine]
        unsupported_fields: _containers.RepeatedScalarFieldContainer[str]
        affordable: bool
        error: _job_pb2.JobError
        def __init__(self, model: _Optional[str] = ..., cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., queue: _Optional[_Union[_job_pb2.QueueInfo, _Mapping]] = ..., lines: _Optional[_Iterable[_Union[_model_pb2.PriceLine, _Mapping]]] = ..., unsupported_fields: _Optional[_Iterable[str]] = ..., affordable: bool = ..., error: _Optional[_Union[_job_pb2.JobError, _Mapping]] = ...) -> None: ...
    ESTIMATES_FIELD_NUMBER: _ClassVar[int]
    estimates: _containers.RepeatedCompositeFieldContainer[EstimateCostResponse.Estimate]
    def __init__(self, estimates: _Optional[_Iterable[_Union[EstimateCostResponse.Estimate, _Mapping]]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_model_pb2.Model]
    def __init__(self, models: _Optional[_Iterable[_Union[_model_pb2.Model, _Mapping]]] = ...) -> None: ...

class ListPromptTemplatesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPromptTemplatesResponse(_message.Message):
    __slots__ = ("prompt_templates",)
    PROMPT_TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    prompt_templates: _containers.RepeatedCompositeFieldContainer[_model_pb2.PromptTemplate]
    def __init__(self, prompt_templates: _Optional[_Iterable[_Union[_model_pb2.PromptTemplate, _Mapping]]] = ...) -> None: ...

class WatchJobsRequest(_message.Message):
    __slots__ = ("resume_token", "job_ids", "labels", "recent", "checkpoint_interval", "progress_interval", "until_done", "include", "batch_id")
    class Include(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        INCLUDE_UNSPECIFIED: _ClassVar[WatchJobsRequest.Include]
        NOTIFICATIONS: _ClassVar[WatchJobsRequest.Include]
        VIEWS: _ClassVar[WatchJobsRequest.Include]
    INCLUDE_UNSPECIFIED: WatchJobsRequest.Include
    NOTIFICATIONS: WatchJobsRequest.Include
    VIEWS: WatchJobsRequest.Include
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    UNTIL_DONE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.RepeatedScalarFieldContainer[str]
    recent: _duration_pb2.Duration
    checkpoint_interval: _duration_pb2.Duration
    progress_interval: _duration_pb2.Duration
    until_done: bool
    include: _containers.RepeatedScalarFieldContainer[WatchJobsRequest.Include]
    batch_id: str
    def __init__(self, resume_token: _Optional[str] = ..., job_ids: _Optional[_Iterable[str]] = ..., labels: _Optional[_Iterable[str]] = ..., recent: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., checkpoint_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., progress_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., until_done: bool = ..., include: _Optional[_Iterable[_Union[WatchJobsRequest.Include, str]]] = ..., batch_id: _Optional[str] = ...) -> None: ...

class WatchJobsResponse(_message.Message):
    __slots__ = ("events", "resume_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[WatchEvent]
    resume_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[WatchEvent, _Mapping]]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchEvent(_message.Message):
    __slots__ = ("revision", "event_time", "job", "progress", "synced", "reset", "end", "notifications", "views", "announcement")
    class Synced(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Reset(_message.Message):
        __slots__ = ("cause",)
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        cause: str
        def __init__(self, cause: _Optional[str] = ...) -> None: ...
    class End(_message.Message):
        __slots__ = ("reason",)
        REASON_FIELD_NUMBER: _ClassVar[int]
        reason: _error_reason_pb2.ErrorReason
        def __init__(self, reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    revision: int
    event_time: _timestamp_pb2.Timestamp
    job: JobEvent
    progress: ProgressEvent
    synced: WatchEvent.Synced
    reset: WatchEvent.Reset
    end: WatchEvent.End
    notifications: _containers.RepeatedCompositeFieldContainer[_notification_pb2.NotificationEvent]
    views: _containers.RepeatedCompositeFieldContainer[_view_pb2.ViewEvent]
    announcement: _notification_pb2.AnnouncementEvent
    def __init__(self, revision: _Optional[int] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., job: _Optional[_Union[JobEvent, _Mapping]] = ..., progress: _Optional[_Union[ProgressEvent, _Mapping]] = ..., synced: _Optional[_Union[WatchEvent.Synced, _Mapping]] = ..., reset: _Optional[_Union[WatchEvent.Reset, _Mapping]] = ..., end: _Optional[_Union[WatchEvent.End, _Mapping]] = ..., notifications: _Optional[_Iterable[_Union[_notification_pb2.NotificationEvent, _Mapping]]] = ..., views: _Optional[_Iterable[_Union[_view_pb2.ViewEvent, _Mapping]]] = ..., announcement: _Optional[_Union[_notification_pb2.AnnouncementEvent, _Mapping]] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("type", "job")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[JobEvent.Type]
        CURRENT: _ClassVar[JobEvent.Type]
        QUEUED: _ClassVar[JobEvent.Type]
        STARTED: _ClassVar[JobEvent.Type]
        UPDATED: _ClassVar[JobEvent.Type]
        RECONCILING: _ClassVar[JobEvent.Type]
        SUCCEEDED: _ClassVar[JobEvent.Type]
        FAILED: _ClassVar[JobEvent.Type]
        CANCELLED: _ClassVar[JobEvent.Type]
    TYPE_UNSPECIFIED: JobEvent.Type
    CURRENT: JobEvent.Type
    QUEUED: JobEvent.Type
    STARTED: JobEvent.Type
    UPDATED: JobEvent.Type
    RECONCILING: JobEvent.Type
    SUCCEEDED: JobEvent.Type
    FAILED: JobEvent.Type
    CANCELLED: JobEvent.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    type: JobEvent.Type
    job: _job_pb2.Job
    def __init__(self, type: _Optional[_Union[JobEvent.Type, str]] = ..., job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ProgressEvent(_message.Message):
    __slots__ = ("job_id", "attempt", "progress", "queue")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    progress: _job_pb2.Progress
    queue: _job_pb2.QueueInfo
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., progress: _Optional[_Union[_job_pb2.Progress, _Mapping]] = ..., queue: _Optional[_Union[_job_pb2.QueueInfo, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id", "wait")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    wait: _duration_pb2.Duration
    def __init__(self, job_id: _Optional[str] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "states", "labels", "batch_id")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    states: _containers.RepeatedScalarFieldContainer[_job_pb2.Job.State]
    labels: _containers.RepeatedScalarFieldContainer[str]
    batch_id: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_job_pb2.Job.State, str]]] = ..., labels: _Optional[_Iterable[str]] = ..., batch_id: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token", "resume_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    next_page_token: str
    resume_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ListJobEventsRequest(_message.Message):
    __slots__ = ("job_id", "page_size", "page_token")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    page_size: int
    page_token: str
    def __init__(self, job_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[WatchEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[WatchEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id", "reason", "only_if_free")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ONLY_IF_FREE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    reason: str
    only_if_free: bool
    def __init__(self, job_id: _Optional[str] = ..., reason: _Optional[str] = ..., only_if_free: bool = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class RetryJobRequest(_message.Message):
    __slots__ = ("job_id", "options", "video", "image", "changed_fields", "seed_media_id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    SEED_MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    options: JobOptions
    video: _job_pb2.VideoSpec
    image: _job_pb2.ImageSpec
    changed_fields: _field_mask_pb2.FieldMask
    seed_media_id: str
    def __init__(self, job_id: _Optional[str] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ..., video: _Optional[_Union[_job_pb2.VideoSpec, _Mapping]] = ..., image: _Optional[_Union[_job_pb2.ImageSpec, _Mapping]] = ..., changed_fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., seed_media_id: _Optional[str] = ...) -> None: ...

class RetryJobResponse(_message.Message):
    __slots__ = ("job", "deduplicated", "warnings")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    deduplicated: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., deduplicated: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GetMediaRequest(_message.Message):
    __slots__ = ("media_id", "url_ttl")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    URL_TTL_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    url_ttl: _duration_pb2.Duration
    def __init__(self, media_id: _Optional[str] = ..., url_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetMediaResponse(_message.Message):
    __slots__ = ("media",)
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    media: _media_pb2.Media
    def __init__(self, media: _Optional[_Union[_media_pb2.Media, _Mapping]] = ...) -> None: ...

class ListMediaRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "type", "labels", "query", "starred", "create_time_from", "create_time_until", "deleted", "url_ttl")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    STARRED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FROM_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_UNTIL_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    URL_TTL_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    type: _media_pb2.Media.Type
    labels: _containers.RepeatedScalarFieldContainer[str]
    query: str
    starred: bool
    create_time_from: _timestamp_pb2.Timestamp
    create_time_until: _timestamp_pb2.Timestamp
    deleted: bool
    url_ttl: _duration_pb2.Duration
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., type: _Optional[_Union[_media_pb2.Media.Type, str]] = ..., labels: _Optional[_Iterable[str]] = ..., query: _Optional[str] = ..., starred: bool = ..., create_time_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deleted: bool = ..., url_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListMediaResponse(_message.Message):
    __slots__ = ("media", "next_page_token")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    media: _containers.RepeatedCompositeFieldContainer[_media_pb2.Media]
    next_page_token: str
    def __init__(self, media: _Optional[_Iterable[_Union[_media_pb2.Media, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateMediaRequest(_message.Message):
    __slots__ = ("media_id", "title", "starred", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STARRED_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    title: str
    starred: bool
    labels: _containers.ScalarMap[str, str]
    def __init__(self, media_id: _Optional[str] = ..., title: _Optional[str] = ..., starred: bool = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UpdateMediaResponse(_message.Message):
    __slots__ = ("media",)
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    media: _media_pb2.Media
    def __init__(self, media: _Optional[_Union[_media_pb2.Media, _Mapping]] = ...) -> None: ...

class DeleteMediaRequest(_message.Message):
    __slots__ = ("media_id", "permanent")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    PERMANENT_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    permanent: bool
    def __init__(self, media_id: _Optional[str] = ..., permanent: bool = ...) -> None: ...

class DeleteMediaResponse(_message.Message):
    __slots__ = ("media", "cleared_views")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    CLEARED_VIEWS_FIELD_NUMBER: _ClassVar[int]
    media: _media_pb2.Media
    cleared_views: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, media: _Optional[_Union[_media_pb2.Media, _Mapping]] = ..., cleared_views: _Optional[_Iterable[str]] = ...) -> None: ...

class UndeleteMediaRequest(_message.Message):
    __slots__ = ("media_id",)
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    def __init__(self, media_id: _Optional[str] = ...) -> None: ...

class UndeleteMediaResponse(_message.Message):
    __slots__ = ("media", "former_views")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    FORMER_VIEWS_FIELD_NUMBER: _ClassVar[int]
    media: _media_pb2.Media
    former_views: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, media: _Optional[_Union[_media_pb2.Media, _Mapping]] = ..., former_views: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchDeleteMediaRequest(_message.Message):
    __slots__ = ("media_ids", "permanent")
    MEDIA_IDS_FIELD_NUMBER: _ClassVar[int]
    PERMANENT_FIELD_NUMBER: _ClassVar[int]
    media_ids: _containers.RepeatedScalarFieldContainer[str]
    permanent: bool
    def __init__(self, media_ids: _Optional[_Iterable[str]] = ..., permanent: bool = ...) -> None: ...

class BatchDeleteMediaResponse(_message.Message):
    __slots__ = ("media", "cleared_views")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    CLEARED_VIEWS_FIELD_NUMBER: _ClassVar[int]
    media: _containers.RepeatedCompositeFieldContainer[_media_pb2.Media]
    cleared_views: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, media: _Optional[_Iterable[_Union[_media_pb2.Media, _Mapping]]] = ..., cleared_views: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateUploadRequest(_message.Message):
    __slots__ = ("size_bytes", "sha256", "mime_type")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    sha256: str
    mime_type: str
    def __init__(self, size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., mime_type: _Optional[str] = ...) -> None: ...

class CreateUploadResponse(_message.Message):
    __slots__ = ("media_id", "upload_url", "expire_time")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    upload_url: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, media_id: _Optional[str] = ..., upload_url: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateExportRequest(_message.Message):
    __slots__ = ("media_ids", "url_ttl")
    MEDIA_IDS_FIELD_NUMBER: _ClassVar[int]
    URL_TTL_FIELD_NUMBER: _ClassVar[int]
    media_ids: _containers.RepeatedScalarFieldContainer[str]
    url_ttl: _duration_pb2.Duration
    def __init__(self, media_ids: _Optional[_Iterable[str]] = ..., url_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CreateExportResponse(_message.Message):
    __slots__ = ("export_url", "expire_time", "size_bytes")
    EXPORT_URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    export_url: str
    expire_time: _timestamp_pb2.Timestamp
    size_bytes: int
    def __init__(self, export_url: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., size_bytes: _Optional[int] = ...) -> None: ...
