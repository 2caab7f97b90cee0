import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rushes.v1 import media_pb2 as _media_pb2
from rushes.v1 import recipe_pb2 as _recipe_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Share(_message.Message):
    __slots__ = ("share_id", "media_id", "owner_user_id", "user_id", "link_url", "message", "with_recipe", "create_time", "expire_time", "revoke_time", "page_url")
    SHARE_ID_FIELD_NUMBER: _ClassVar[int]
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_USER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LINK_URL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WITH_RECIPE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVOKE_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_URL_FIELD_NUMBER: _ClassVar[int]
    share_id: str
    media_id: str
    owner_user_id: str
    user_id: str
    link_url: str
    message: str
    with_recipe: bool
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    revoke_time: _timestamp_pb2.Timestamp
    page_url: str
    def __init__(self, share_id: _Optional[str] = ..., media_id: _Optional[str] = ..., owner_user_id: _Optional[str] = ..., user_id: _Optional[str] = ..., link_url: _Optional[str] = ..., message: _Optional[str] = ..., with_recipe: bool = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoke_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_url: _Optional[str] = ...) -> None: ...

class CreateShareRequest(_message.Message):
    __slots__ = ("media_id", "user_id", "link", "expire_time", "message", "with_recipe")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WITH_RECIPE_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    user_id: str
    link: bool
    expire_time: _timestamp_pb2.Timestamp
    message: str
    with_recipe: bool
    def __init__(self, media_id: _Optional[str] = ..., user_id: _Optional[str] = ..., link: bool = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., message: _Optional[str] = ..., with_recipe: bool = ...) -> None: ...

class CreateShareResponse(_message.Message):
    __slots__ = ("share",)
    SHARE_FIELD_NUMBER: _ClassVar[int]
    share: Share
    def __init__(self, share: _Optional[_Union[Share, _Mapping]] = ...) -> None: ...

class ListSharesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "media_id", "ended")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    media_id: str
    ended: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., media_id: _Optional[str] = ..., ended: bool = ...) -> None: ...

class ListSharesResponse(_message.Message):
    __slots__ = ("shares", "next_page_token")
    SHARES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shares: _containers.RepeatedCompositeFieldContainer[Share]
    next_page_token: str
    def __init__(self, shares: _Optional[_Iterable[_Union[Share, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSharedMediaRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "type", "url_ttl")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URL_TTL_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    type: _media_pb2.Media.Type
    url_ttl: _duration_pb2.Duration
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., type: _Optional[_Union[_media_pb2.Media.Type, str]] = ..., url_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListSharedMediaResponse(_message.Message):
    __slots__ = ("shared_media", "next_page_token")
    class SharedMedia(_message.Message):
        __slots__ = ("share", "media", "recipe")
        SHARE_FIELD_NUMBER: _ClassVar[int]
        MEDIA_FIELD_NUMBER: _ClassVar[int]
        RECIPE_FIELD_NUMBER: _ClassVar[int]
        share: Share
        media: _media_pb2.Media
        recipe: _recipe_pb2.Recipe
        def __init__(self, share: _Optional[_Union[Share, _Mapping]] = ..., media: _Optional[_Union[_media_pb2.Media, _Mapping]] = ..., recipe: _Optional[_Union[_recipe_pb2.Recipe, _Mapping]] = ...) -> None: ...
    SHARED_MEDIA_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shared_media: _containers.RepeatedCompositeFieldContainer[ListSharedMediaResponse.SharedMedia]
    next_page_token: str
    def __init__(self, shared_media: _Optional[_Iterable[_Union[ListSharedMediaResponse.SharedMedia, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeShareRequest(_message.Message):
    __slots__ = ("share_id",)
    SHARE_ID_FIELD_NUMBER: _ClassVar[int]
    share_id: str
    def __init__(self, share_id: _Optional[str] = ...) -> None: ...

class RevokeShareResponse(_message.Message):
    __slots__ = ("share",)
    SHARE_FIELD_NUMBER: _ClassVar[int]
    share: Share
    def __init__(self, share: _Optional[_Union[Share, _Mapping]] = ...) -> None: ...
