import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.type import money_pb2 as _money_pb2
from rushes.v1 import job_pb2 as _job_pb2
from rushes.v1 import media_pb2 as _media_pb2
from rushes.v1 import media_service_pb2 as _media_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Capability(_message.Message):
    __slots__ = ("name", "title", "description", "triggers", "parameters", "json_schema", "type", "min_cost", "max_cost", "min_run", "max_run", "models", "unavailable_reason")
    class Parameter(_message.Message):
        __slots__ = ("name", "type", "required", "description", "allowed_values", "default_value", "min", "max", "max_length")
        class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            TYPE_UNSPECIFIED: _ClassVar[Capability.Parameter.Type]
            STRING: _ClassVar[Capability.Parameter.Type]
            INTEGER: _ClassVar[Capability.Parameter.Type]
            BOOLEAN: _ClassVar[Capability.Parameter.Type]
            DURATION: _ClassVar[Capability.Parameter.Type]
            MEDIA: _ClassVar[Capability.Parameter.Type]
        TYPE_UNSPECIFIED: Capability.Parameter.Type
        STRING: Capability.Parameter.Type
        INTEGER: Capability.Parameter.Type
        BOOLEAN: Capability.Parameter.Type
        DURATION: Capability.Parameter.Type
        MEDIA: Capability.Parameter.Type
        NAME_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        REQUIRED_FIELD_NUMBER: _ClassVar[int]
        DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
        ALLOWED_VALUES_FIELD_NUMBER: _ClassVar[int]
        DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
        MIN_FIELD_NUMBER: _ClassVar[int]
        MAX_FIELD_NUMBER: _ClassVar[int]
        MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
        name: str
        type: Capability.Parameter.Type
        required: bool
        description: str
        allowed_values: _containers.RepeatedScalarFieldContainer[str]
        default_value: str
        min: int
        max: int
        max_length: int
        def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[Capability.Parameter.Type, str]] = ..., required: bool = ..., description: _Optional[str] = ..., allowed_values: _Optional[_Iterable[str]] = ..., default_value: _Optional[str] = ..., min: _Optional[int] = ..., max: _Optional[int] = ..., max_length: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MIN_COST_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    MIN_RUN_FIELD_NUMBER: _ClassVar[int]
    MAX_RUN_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    description: str
    triggers: _containers.RepeatedScalarFieldContainer[str]
    parameters: _containers.RepeatedCompositeFieldContainer[Capability.Parameter]
    json_schema: _struct_pb2.Struct
    type: _media_pb2.Media.Type
    min_cost: _money_pb2.Money
    max_cost: _money_pb2.Money
    min_run: _duration_pb2.Duration
    max_run: _duration_pb2.Duration
    models: _containers.RepeatedScalarFieldContainer[str]
    unavailable_reason: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., triggers: _Optional[_Iterable[str]] = ..., parameters: _Optional[_Iterable[_Union[Capability.Parameter, _Mapping]]] = ..., json_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., type: _Optional[_Union[_media_pb2.Media.Type, str]] = ..., min_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., max_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., min_run: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_run: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., models: _Optional[_Iterable[str]] = ..., unavailable_reason: _Optional[str] = ...) -> None: ...

class ListCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCapabilitiesResponse(_message.Message):
    __slots__ = ("capabilities",)
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.RepeatedCompositeFieldContainer[Capability]
    def __init__(self, capabilities: _Optional[_Iterable[_Union[Capability, _Mapping]]] = ...) -> None: ...

class SuggestGenerationRequest(_message.Message):
    __slots__ = ("message", "context")
    class Context(_message.Message):
        __slots__ = ("view", "history", "media_id", "language")
        VIEW_FIELD_NUMBER: _ClassVar[int]
        HISTORY_FIELD_NUMBER: _ClassVar[int]
        MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
        LANGUAGE_FIELD_NUMBER: _ClassVar[int]
        view: str
        history: _containers.RepeatedScalarFieldContainer[str]
        media_id: str
        language: str
        def __init__(self, view: _Optional[str] = ..., history: _Optional[_Iterable[str]] = ..., media_id: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    message: str
    context: SuggestGenerationRequest.Context
    def __init__(self, message: _Optional[str] = ..., context: _Optional[_Union[SuggestGenerationRequest.Context, _Mapping]] = ...) -> None: ...

class SuggestGenerationResponse(_message.Message):
    __slots__ = ("proposal",)
    class Proposal(_message.Message):
        __slots__ = ("capability", "video", "image", "options", "estimate", "question")
        CAPABILITY_FIELD_NUMBER: _ClassVar[int]
        VIDEO_FIELD_NUMBER: _ClassVar[int]
        IMAGE_FIELD_NUMBER: _ClassVar[int]
        OPTIONS_FIELD_NUMBER: _ClassVar[int]
        ESTIMATE_FIELD_NUMBER: _ClassVar[int]
        QUESTION_FIELD_NUMBER: _ClassVar[int]
        capability: str
        video: _job_pb2.VideoSpec
        image: _job_pb2.ImageSpec
        options: _media_service_pb2.JobOptions
        estimate: _media_service_pb2.EstimateCostResponse.Estimate
        question: str
        def __init__(self, capability: _Optional[str] = ..., video: _Optional[_Union[_job_pb2.VideoSpec, _Mapping]] = ..., image: _Optional[_Union[_job_pb2.ImageSpec, _Mapping]] = ..., options: _Optional[_Union[_media_service_pb2.JobOptions, _Mapping]] = ..., estimate: _Optional[_Union[_media_service_pb2.EstimateCostResponse.Estimate, _Mapping]] = ..., question: _Optional[str] = ...) -> None: ...
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    proposal: SuggestGenerationResponse.Proposal
    def __init__(self, proposal: _Optional[_Union[SuggestGenerationResponse.Proposal, _Mapping]] = ...) -> None: ...
