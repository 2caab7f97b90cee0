import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rushes.v1 import media_pb2 as _media_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class View(_message.Message):
    __slots__ = ("view", "media", "looping", "job_id", "apply_time", "deleted_media_id")
    VIEW_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    LOOPING_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    APPLY_TIME_FIELD_NUMBER: _ClassVar[int]
    DELETED_MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    view: str
    media: _media_pb2.Media
    looping: bool
    job_id: str
    apply_time: _timestamp_pb2.Timestamp
    deleted_media_id: str
    def __init__(self, view: _Optional[str] = ..., media: _Optional[_Union[_media_pb2.Media, _Mapping]] = ..., looping: bool = ..., job_id: _Optional[str] = ..., apply_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deleted_media_id: _Optional[str] = ...) -> None: ...

class ViewEvent(_message.Message):
    __slots__ = ("type", "view")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[ViewEvent.Type]
        CURRENT: _ClassVar[ViewEvent.Type]
        APPLIED: _ClassVar[ViewEvent.Type]
        CLEARED: _ClassVar[ViewEvent.Type]
    TYPE_UNSPECIFIED: ViewEvent.Type
    CURRENT: ViewEvent.Type
    APPLIED: ViewEvent.Type
    CLEARED: ViewEvent.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    type: ViewEvent.Type
    view: View
    def __init__(self, type: _Optional[_Union[ViewEvent.Type, str]] = ..., view: _Optional[_Union[View, _Mapping]] = ...) -> None: ...
