import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rushes.v1 import notification_pb2 as _notification_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListNotificationsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "unread", "kinds")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    unread: bool
    kinds: _containers.RepeatedScalarFieldContainer[_notification_pb2.Notification.Kind]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., unread: bool = ..., kinds: _Optional[_Iterable[_Union[_notification_pb2.Notification.Kind, str]]] = ...) -> None: ...

class ListNotificationsResponse(_message.Message):
    __slots__ = ("notifications", "next_page_token", "unread_count", "resume_token")
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    notifications: _containers.RepeatedCompositeFieldContainer[_notification_pb2.Notification]
    next_page_token: str
    unread_count: int
    resume_token: str
    def __init__(self, notifications: _Optional[_Iterable[_Union[_notification_pb2.Notification, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., unread_count: _Optional[int] = ..., resume_token: _Optional[str] = ...) -> None: ...

class MarkNotificationsReadRequest(_message.Message):
    __slots__ = ("notification_ids", "until_time", "announcement_ids")
    NOTIFICATION_IDS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_IDS_FIELD_NUMBER: _ClassVar[int]
    notification_ids: _containers.RepeatedScalarFieldContainer[str]
    until_time: _timestamp_pb2.Timestamp
    announcement_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, notification_ids: _Optional[_Iterable[str]] = ..., until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., announcement_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class MarkNotificationsReadResponse(_message.Message):
    __slots__ = ("unread_count",)
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    unread_count: int
    def __init__(self, unread_count: _Optional[int] = ...) -> None: ...

class DeleteNotificationsRequest(_message.Message):
    __slots__ = ("notification_ids", "until_time")
    NOTIFICATION_IDS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    notification_ids: _containers.RepeatedScalarFieldContainer[str]
    until_time: _timestamp_pb2.Timestamp
    def __init__(self, notification_ids: _Optional[_Iterable[str]] = ..., until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeleteNotificationsResponse(_message.Message):
    __slots__ = ("unread_count",)
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    unread_count: int
    def __init__(self, unread_count: _Optional[int] = ...) -> None: ...

class GetNotificationSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetNotificationSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: _notification_pb2.NotificationSettings
    def __init__(self, settings: _Optional[_Union[_notification_pb2.NotificationSettings, _Mapping]] = ...) -> None: ...

class UpdateNotificationSettingsRequest(_message.Message):
    __slots__ = ("settings", "update_mask")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    settings: _notification_pb2.NotificationSettings
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, settings: _Optional[_Union[_notification_pb2.NotificationSettings, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateNotificationSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: _notification_pb2.NotificationSettings
    def __init__(self, settings: _Optional[_Union[_notification_pb2.NotificationSettings, _Mapping]] = ...) -> None: ...

class CreateNotificationRequest(_message.Message):
    __slots__ = ("user_id", "title", "text", "severity", "action", "request_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    title: str
    text: str
    severity: _notification_pb2.Notification.Severity
    action: _notification_pb2.Notification.Action
    request_id: str
    def __init__(self, user_id: _Optional[str] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., severity: _Optional[_Union[_notification_pb2.Notification.Severity, str]] = ..., action: _Optional[_Union[_notification_pb2.Notification.Action, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateNotificationResponse(_message.Message):
    __slots__ = ("notification", "deduplicated")
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    notification: _notification_pb2.Notification
    deduplicated: bool
    def __init__(self, notification: _Optional[_Union[_notification_pb2.Notification, _Mapping]] = ..., deduplicated: bool = ...) -> None: ...

class CreateAnnouncementRequest(_message.Message):
    __slots__ = ("title", "text", "severity", "uri", "expire_time", "request_id")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    title: str
    text: str
    severity: _notification_pb2.Notification.Severity
    uri: str
    expire_time: _timestamp_pb2.Timestamp
    request_id: str
    def __init__(self, title: _Optional[str] = ..., text: _Optional[str] = ..., severity: _Optional[_Union[_notification_pb2.Notification.Severity, str]] = ..., uri: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateAnnouncementResponse(_message.Message):
    __slots__ = ("announcement", "deduplicated")
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    announcement: _notification_pb2.Announcement
    deduplicated: bool
    def __init__(self, announcement: _Optional[_Union[_notification_pb2.Announcement, _Mapping]] = ..., deduplicated: bool = ...) -> None: ...

class ListAnnouncementsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "unread")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    unread: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., unread: bool = ...) -> None: ...

class ListAnnouncementsResponse(_message.Message):
    __slots__ = ("announcements", "next_page_token")
    ANNOUNCEMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    announcements: _containers.RepeatedCompositeFieldContainer[_notification_pb2.Announcement]
    next_page_token: str
    def __init__(self, announcements: _Optional[_Iterable[_Union[_notification_pb2.Announcement, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteAnnouncementRequest(_message.Message):
    __slots__ = ("announcement_id",)
    ANNOUNCEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    announcement_id: str
    def __init__(self, announcement_id: _Optional[str] = ...) -> None: ...

class DeleteAnnouncementResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
