import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from rushes.v1 import analysis_pb2 as _analysis_pb2
from rushes.v1 import job_pb2 as _job_pb2
from rushes.v1 import media_service_pb2 as _media_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AnalyzeVideoRequest(_message.Message):
    __slots__ = ("spec", "options")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    spec: _analysis_pb2.AnalysisSpec
    options: _media_service_pb2.JobOptions
    def __init__(self, spec: _Optional[_Union[_analysis_pb2.AnalysisSpec, _Mapping]] = ..., options: _Optional[_Union[_media_service_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class AnalyzeVideoResponse(_message.Message):
    __slots__ = ("job", "deduplicated", "warnings")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    deduplicated: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., deduplicated: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GetAnalysisRequest(_message.Message):
    __slots__ = ("job_id", "url_ttl")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    URL_TTL_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    url_ttl: _duration_pb2.Duration
    def __init__(self, job_id: _Optional[str] = ..., url_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetAnalysisResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: _analysis_pb2.Analysis
    def __init__(self, analysis: _Optional[_Union[_analysis_pb2.Analysis, _Mapping]] = ...) -> None: ...

class ExportTranscriptRequest(_message.Message):
    __slots__ = ("job_id", "format")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[ExportTranscriptRequest.Format]
        TEXT: _ClassVar[ExportTranscriptRequest.Format]
        SRT: _ClassVar[ExportTranscriptRequest.Format]
        VTT: _ClassVar[ExportTranscriptRequest.Format]
    FORMAT_UNSPECIFIED: ExportTranscriptRequest.Format
    TEXT: ExportTranscriptRequest.Format
    SRT: ExportTranscriptRequest.Format
    VTT: ExportTranscriptRequest.Format
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    format: ExportTranscriptRequest.Format
    def __init__(self, job_id: _Optional[str] = ..., format: _Optional[_Union[ExportTranscriptRequest.Format, str]] = ...) -> None: ...

class ExportTranscriptResponse(_message.Message):
    __slots__ = ("content", "mime_type")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    content: str
    mime_type: str
    def __init__(self, content: _Optional[str] = ..., mime_type: _Optional[str] = ...) -> None: ...
