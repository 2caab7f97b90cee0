import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from rushes.v1 import analysis_pb2 as _analysis_pb2
from rushes.v1 import error_reason_pb2 as _error_reason_pb2
from rushes.v1 import media_pb2 as _media_pb2
from rushes.v1 import model_pb2 as _model_pb2
from rushes.v1 import report_pb2 as _report_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Job(_message.Message):
    __slots__ = ("job_id", "user_id", "video", "image", "analysis", "report", "state", "progress", "queue", "cost", "error", "outputs", "labels", "provider", "model", "provider_operation", "attempt", "revision", "cancel_request_time", "cancel_reason", "cancel_saves_cost", "retry_of", "create_time", "start_time", "end_time", "start_deadline", "finish_deadline", "request_id", "final_prompt", "apply_to_view", "batch_id", "analysis_digest", "report_result")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Job.State]
        QUEUED: _ClassVar[Job.State]
        RUNNING: _ClassVar[Job.State]
        RECONCILING: _ClassVar[Job.State]
        SUCCEEDED: _ClassVar[Job.State]
        FAILED: _ClassVar[Job.State]
        CANCELLED: _ClassVar[Job.State]
    STATE_UNSPECIFIED: Job.State
    QUEUED: Job.State
    RUNNING: Job.State
    RECONCILING: Job.State
    SUCCEEDED: Job.State
    FAILED: Job.State
    CANCELLED: Job.State
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_OPERATION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUEST_TIME_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    CANCEL_SAVES_COST_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    START_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    FINISH_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINAL_PROMPT_FIELD_NUMBER: _ClassVar[int]
    APPLY_TO_VIEW_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPORT_RESULT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    user_id: str
    video: VideoSpec
    image: ImageSpec
    analysis: _analysis_pb2.AnalysisSpec
    report: _report_pb2.ReportSpec
    state: Job.State
    progress: Progress
    queue: QueueInfo
    cost: Cost
    error: JobError
    outputs: _containers.RepeatedCompositeFieldContainer[_media_pb2.Media]
    labels: _containers.ScalarMap[str, str]
    provider: str
    model: str
    provider_operation: str
    attempt: int
    revision: int
    cancel_request_time: _timestamp_pb2.Timestamp
    cancel_reason: str
    cancel_saves_cost: bool
    retry_of: str
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    start_deadline: _timestamp_pb2.Timestamp
    finish_deadline: _timestamp_pb2.Timestamp
    request_id: str
    final_prompt: str
    apply_to_view: str
    batch_id: str
    analysis_digest: _analysis_pb2.AnalysisDigest
    report_result: _report_pb2.ReportResult
    def __init__(self, job_id: _Optional[str] = ..., user_id: _Optional[str] = ..., video: _Optional[_Union[VideoSpec, _Mapping]] = ..., image: _Optional[_Union[ImageSpec, _Mapping]] = ..., analysis: _Optional[_Union[_analysis_pb2.AnalysisSpec, _Mapping]] = ..., report: _Optional[_Union[_report_pb2.ReportSpec, _Mapping]] = ..., state: _Optional[_Union[Job.State, str]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., queue: _Optional[_Union[QueueInfo, _Mapping]] = ..., cost: _Optional[_Union[Cost, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., outputs: _Optional[_Iterable[_Union[_media_pb2.Media, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., provider_operation: _Optional[str] = ..., attempt: _Optional[int] = ..., revision: _Optional[int] = ..., cancel_request_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cancel_reason: _Optional[str] = ..., cancel_saves_cost: bool = ..., retry_of: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finish_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ..., final_prompt: _Optional[str] = ..., apply_to_view: _Optional[str] = ..., batch_id: _Optional[str] = ..., analysis_digest: _Optional[_Union[_analysis_pb2.AnalysisDigest, _Mapping]] = ..., report_result: _Optional[_Union[_report_pb2.ReportResult, _Mapping]] = ...) -> None: ...

class VideoSpec(_message.Message):
    __slots__ = ("prompt", "model", "quality", "negative_prompt", "duration", "aspect_ratio", "resolution", "output_count", "seed", "audio", "first_frame", "last_frame", "references", "source_video", "style_pack", "mood", "cinematography", "loop")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    ASPECT_RATIO_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FIRST_FRAME_FIELD_NUMBER: _ClassVar[int]
    LAST_FRAME_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_VIDEO_FIELD_NUMBER: _ClassVar[int]
    STYLE_PACK_FIELD_NUMBER: _ClassVar[int]
    MOOD_FIELD_NUMBER: _ClassVar[int]
    CINEMATOGRAPHY_FIELD_NUMBER: _ClassVar[int]
    LOOP_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    model: str
    quality: _model_pb2.Model.Quality
    negative_prompt: str
    duration: _duration_pb2.Duration
    aspect_ratio: str
    resolution: str
    output_count: int
    seed: int
    audio: bool
    first_frame: MediaInput
    last_frame: MediaInput
    references: _containers.RepeatedCompositeFieldContainer[MediaInput]
    source_video: MediaInput
    style_pack: str
    mood: str
    cinematography: str
    loop: bool
    def __init__(self, prompt: _Optional[str] = ..., model: _Optional[str] = ..., quality: _Optional[_Union[_model_pb2.Model.Quality, str]] = ..., negative_prompt: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., aspect_ratio: _Optional[str] = ..., resolution: _Optional[str] = ..., output_count: _Optional[int] = ..., seed: _Optional[int] = ..., audio: bool = ..., first_frame: _Optional[_Union[MediaInput, _Mapping]] = ..., last_frame: _Optional[_Union[MediaInput, _Mapping]] = ..., references: _Optional[_Iterable[_Union[MediaInput, _Mapping]]] = ..., source_video: _Optional[_Union[MediaInput, _Mapping]] = ..., style_pack: _Optional[str] = ..., mood: _Optional[str] = ..., cinematography: _Optional[str] = ..., loop: bool = ...) -> None: ...

class ImageSpec(_message.Message):
    __slots__ = ("prompt", "model", "quality", "negative_prompt", "aspect_ratio", "size", "output_count", "seed", "references", "mask", "output_mime_type", "style_pack", "mood")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    ASPECT_RATIO_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    STYLE_PACK_FIELD_NUMBER: _ClassVar[int]
    MOOD_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    model: str
    quality: _model_pb2.Model.Quality
    negative_prompt: str
    aspect_ratio: str
    size: str
    output_count: int
    seed: int
    references: _containers.RepeatedCompositeFieldContainer[MediaInput]
    mask: MediaInput
    output_mime_type: str
    style_pack: str
    mood: str
    def __init__(self, prompt: _Optional[str] = ..., model: _Optional[str] = ..., quality: _Optional[_Union[_model_pb2.Model.Quality, str]] = ..., negative_prompt: _Optional[str] = ..., aspect_ratio: _Optional[str] = ..., size: _Optional[str] = ..., output_count: _Optional[int] = ..., seed: _Optional[int] = ..., references: _Optional[_Iterable[_Union[MediaInput, _Mapping]]] = ..., mask: _Optional[_Union[MediaInput, _Mapping]] = ..., output_mime_type: _Optional[str] = ..., style_pack: _Optional[str] = ..., mood: _Optional[str] = ...) -> None: ...

class MediaInput(_message.Message):
    __slots__ = ("media_id", "content", "uri")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    content: bytes
    uri: str
    def __init__(self, media_id: _Optional[str] = ..., content: _Optional[bytes] = ..., uri: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "percent", "estimated", "message", "remaining", "preview")
    class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STAGE_UNSPECIFIED: _ClassVar[Progress.Stage]
        WAITING: _ClassVar[Progress.Stage]
        SUBMITTING: _ClassVar[Progress.Stage]
        GENERATING: _ClassVar[Progress.Stage]
        DOWNLOADING: _ClassVar[Progress.Stage]
        POST_PROCESSING: _ClassVar[Progress.Stage]
        FINISHED: _ClassVar[Progress.Stage]
        RECONCILING: _ClassVar[Progress.Stage]
    STAGE_UNSPECIFIED: Progress.Stage
    WAITING: Progress.Stage
    SUBMITTING: Progress.Stage
    GENERATING: Progress.Stage
    DOWNLOADING: Progress.Stage
    POST_PROCESSING: Progress.Stage
    FINISHED: Progress.Stage
    RECONCILING: Progress.Stage
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    stage: Progress.Stage
    percent: int
    estimated: bool
    message: str
    remaining: _duration_pb2.Duration
    preview: str
    def __init__(self, stage: _Optional[_Union[Progress.Stage, str]] = ..., percent: _Optional[int] = ..., estimated: bool = ..., message: _Optional[str] = ..., remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., preview: _Optional[str] = ...) -> None: ...

class QueueInfo(_message.Message):
    __slots__ = ("position", "estimated_wait", "estimated_run", "sample_count", "blocked_reason")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_WAIT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_RUN_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_REASON_FIELD_NUMBER: _ClassVar[int]
    position: int
    estimated_wait: _duration_pb2.Duration
    estimated_run: _duration_pb2.Duration
    sample_count: int
    blocked_reason: str
    def __init__(self, position: _Optional[int] = ..., estimated_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., estimated_run: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., sample_count: _Optional[int] = ..., blocked_reason: _Optional[str] = ...) -> None: ...

class Cost(_message.Message):
    __slots__ = ("state", "estimated", "actual", "price_revision")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Cost.State]
        ESTIMATED: _ClassVar[Cost.State]
        RESERVED: _ClassVar[Cost.State]
        CHARGED: _ClassVar[Cost.State]
        RELEASED: _ClassVar[Cost.State]
        UNCERTAIN: _ClassVar[Cost.State]
    STATE_UNSPECIFIED: Cost.State
    ESTIMATED: Cost.State
    RESERVED: Cost.State
    CHARGED: Cost.State
    RELEASED: Cost.State
    UNCERTAIN: Cost.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    PRICE_REVISION_FIELD_NUMBER: _ClassVar[int]
    state: Cost.State
    estimated: _money_pb2.Money
    actual: _money_pb2.Money
    price_revision: str
    def __init__(self, state: _Optional[_Union[Cost.State, str]] = ..., estimated: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., actual: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., price_revision: _Optional[str] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: _error_reason_pb2.ErrorReason
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...
