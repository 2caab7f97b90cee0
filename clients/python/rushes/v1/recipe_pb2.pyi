import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from rushes.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Recipe(_message.Message):
    __slots__ = ("video", "image", "sha256", "output_index", "media_id", "job_id", "inputs", "final_prompt", "revised_prompt", "provider", "provider_model", "cost", "price_revision", "submit_time", "rushes_version", "format", "partial")
    class Input(_message.Message):
        __slots__ = ("field", "media_id", "sha256", "mime_type")
        FIELD_FIELD_NUMBER: _ClassVar[int]
        MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
        SHA256_FIELD_NUMBER: _ClassVar[int]
        MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
        field: str
        media_id: str
        sha256: str
        mime_type: str
        def __init__(self, field: _Optional[str] = ..., media_id: _Optional[str] = ..., sha256: _Optional[str] = ..., mime_type: _Optional[str] = ...) -> None: ...
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    FINAL_PROMPT_FIELD_NUMBER: _ClassVar[int]
    REVISED_PROMPT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_MODEL_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    PRICE_REVISION_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    RUSHES_VERSION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    video: _job_pb2.VideoSpec
    image: _job_pb2.ImageSpec
    sha256: str
    output_index: int
    media_id: str
    job_id: str
    inputs: _containers.RepeatedCompositeFieldContainer[Recipe.Input]
    final_prompt: str
    revised_prompt: str
    provider: str
    provider_model: str
    cost: _money_pb2.Money
    price_revision: str
    submit_time: _timestamp_pb2.Timestamp
    rushes_version: str
    format: int
    partial: bool
    def __init__(self, video: _Optional[_Union[_job_pb2.VideoSpec, _Mapping]] = ..., image: _Optional[_Union[_job_pb2.ImageSpec, _Mapping]] = ..., sha256: _Optional[str] = ..., output_index: _Optional[int] = ..., media_id: _Optional[str] = ..., job_id: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Recipe.Input, _Mapping]]] = ..., final_prompt: _Optional[str] = ..., revised_prompt: _Optional[str] = ..., provider: _Optional[str] = ..., provider_model: _Optional[str] = ..., cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., price_revision: _Optional[str] = ..., submit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rushes_version: _Optional[str] = ..., format: _Optional[int] = ..., partial: bool = ...) -> None: ...

class GetRecipeRequest(_message.Message):
    __slots__ = ("media_id",)
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    def __init__(self, media_id: _Optional[str] = ...) -> None: ...

class GetRecipeResponse(_message.Message):
    __slots__ = ("recipe",)
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    recipe: Recipe
    def __init__(self, recipe: _Optional[_Union[Recipe, _Mapping]] = ...) -> None: ...
