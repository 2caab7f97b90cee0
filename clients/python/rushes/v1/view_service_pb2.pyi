import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from rushes.v1 import view_pb2 as _view_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListViewsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "prefix", "url_ttl")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    URL_TTL_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    prefix: str
    url_ttl: _duration_pb2.Duration
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., prefix: _Optional[str] = ..., url_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListViewsResponse(_message.Message):
    __slots__ = ("views", "next_page_token")
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    views: _containers.RepeatedCompositeFieldContainer[_view_pb2.View]
    next_page_token: str
    def __init__(self, views: _Optional[_Iterable[_Union[_view_pb2.View, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetViewRequest(_message.Message):
    __slots__ = ("view", "url_ttl")
    VIEW_FIELD_NUMBER: _ClassVar[int]
    URL_TTL_FIELD_NUMBER: _ClassVar[int]
    view: str
    url_ttl: _duration_pb2.Duration
    def __init__(self, view: _Optional[str] = ..., url_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetViewResponse(_message.Message):
    __slots__ = ("view",)
    VIEW_FIELD_NUMBER: _ClassVar[int]
    view: _view_pb2.View
    def __init__(self, view: _Optional[_Union[_view_pb2.View, _Mapping]] = ...) -> None: ...

class ApplyViewRequest(_message.Message):
    __slots__ = ("view", "media_id", "looping")
    VIEW_FIELD_NUMBER: _ClassVar[int]
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    LOOPING_FIELD_NUMBER: _ClassVar[int]
    view: str
    media_id: str
    looping: bool
    def __init__(self, view: _Optional[str] = ..., media_id: _Optional[str] = ..., looping: bool = ...) -> None: ...

class ApplyViewResponse(_message.Message):
    __slots__ = ("view", "previous_media_id")
    VIEW_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    view: _view_pb2.View
    previous_media_id: str
    def __init__(self, view: _Optional[_Union[_view_pb2.View, _Mapping]] = ..., previous_media_id: _Optional[str] = ...) -> None: ...

class ClearViewRequest(_message.Message):
    __slots__ = ("view",)
    VIEW_FIELD_NUMBER: _ClassVar[int]
    view: str
    def __init__(self, view: _Optional[str] = ...) -> None: ...

class ClearViewResponse(_message.Message):
    __slots__ = ("view", "previous_media_id")
    VIEW_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    view: _view_pb2.View
    previous_media_id: str
    def __init__(self, view: _Optional[_Union[_view_pb2.View, _Mapping]] = ..., previous_media_id: _Optional[str] = ...) -> None: ...
