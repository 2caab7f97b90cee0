import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("model", "provider", "display_name", "video", "image", "price_revision", "available", "unavailable_reason", "shutdown_time", "replacement", "queue", "provider_model", "typical_duration", "analysis")
    class Quality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        QUALITY_UNSPECIFIED: _ClassVar[Model.Quality]
        DRAFT: _ClassVar[Model.Quality]
        STANDARD: _ClassVar[Model.Quality]
        HIGH: _ClassVar[Model.Quality]
    QUALITY_UNSPECIFIED: Model.Quality
    DRAFT: Model.Quality
    STANDARD: Model.Quality
    HIGH: Model.Quality
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PRICE_REVISION_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_REASON_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_TIME_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_MODEL_FIELD_NUMBER: _ClassVar[int]
    TYPICAL_DURATION_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    model: str
    provider: str
    display_name: str
    video: Ability
    image: Ability
    price_revision: str
    available: bool
    unavailable_reason: str
    shutdown_time: _timestamp_pb2.Timestamp
    replacement: str
    queue: str
    provider_model: str
    typical_duration: _duration_pb2.Duration
    analysis: Ability
    def __init__(self, model: _Optional[str] = ..., provider: _Optional[str] = ..., display_name: _Optional[str] = ..., video: _Optional[_Union[Ability, _Mapping]] = ..., image: _Optional[_Union[Ability, _Mapping]] = ..., price_revision: _Optional[str] = ..., available: bool = ..., unavailable_reason: _Optional[str] = ..., shutdown_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replacement: _Optional[str] = ..., queue: _Optional[str] = ..., provider_model: _Optional[str] = ..., typical_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., analysis: _Optional[_Union[Ability, _Mapping]] = ...) -> None: ...

class Ability(_message.Message):
    __slots__ = ("aspect_ratios", "resolutions", "durations", "max_output_count", "max_references", "fields", "qualities", "prices", "cancellable")
    ASPECT_RATIOS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTIONS_FIELD_NUMBER: _ClassVar[int]
    DURATIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_REFERENCES_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    QUALITIES_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    CANCELLABLE_FIELD_NUMBER: _ClassVar[int]
    aspect_ratios: _containers.RepeatedScalarFieldContainer[str]
    resolutions: _containers.RepeatedScalarFieldContainer[str]
    durations: _containers.RepeatedCompositeFieldContainer[_duration_pb2.Duration]
    max_output_count: int
    max_references: int
    fields: _containers.RepeatedScalarFieldContainer[str]
    qualities: _containers.RepeatedScalarFieldContainer[Model.Quality]
    prices: _containers.RepeatedCompositeFieldContainer[PriceLine]
    cancellable: bool
    def __init__(self, aspect_ratios: _Optional[_Iterable[str]] = ..., resolutions: _Optional[_Iterable[str]] = ..., durations: _Optional[_Iterable[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]]] = ..., max_output_count: _Optional[int] = ..., max_references: _Optional[int] = ..., fields: _Optional[_Iterable[str]] = ..., qualities: _Optional[_Iterable[_Union[Model.Quality, str]]] = ..., prices: _Optional[_Iterable[_Union[PriceLine, _Mapping]]] = ..., cancellable: bool = ...) -> None: ...

class PriceLine(_message.Message):
    __slots__ = ("text", "amount")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    text: str
    amount: _money_pb2.Money
    def __init__(self, text: _Optional[str] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class PromptTemplate(_message.Message):
    __slots__ = ("field", "name", "description", "text")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    field: str
    name: str
    description: str
    text: str
    def __init__(self, field: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...
