import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Notification(_message.Message):
    __slots__ = ("notification_id", "kind", "severity", "title", "text", "action", "job_id", "batch_id", "sender", "counts", "create_time", "read_time")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Notification.Kind]
        JOB_STARTED: _ClassVar[Notification.Kind]
        JOB_RECONCILING: _ClassVar[Notification.Kind]
        JOB_SUCCEEDED: _ClassVar[Notification.Kind]
        JOB_FAILED: _ClassVar[Notification.Kind]
        JOB_CANCELLED: _ClassVar[Notification.Kind]
        BATCH_ENDED: _ClassVar[Notification.Kind]
        DIGEST: _ClassVar[Notification.Kind]
        BUDGET_ALERT: _ClassVar[Notification.Kind]
        MEDIA_SHARED: _ClassVar[Notification.Kind]
        WEBHOOK_DISABLED: _ClassVar[Notification.Kind]
        MESSAGE: _ClassVar[Notification.Kind]
    KIND_UNSPECIFIED: Notification.Kind
    JOB_STARTED: Notification.Kind
    JOB_RECONCILING: Notification.Kind
    JOB_SUCCEEDED: Notification.Kind
    JOB_FAILED: Notification.Kind
    JOB_CANCELLED: Notification.Kind
    BATCH_ENDED: Notification.Kind
    DIGEST: Notification.Kind
    BUDGET_ALERT: Notification.Kind
    MEDIA_SHARED: Notification.Kind
    WEBHOOK_DISABLED: Notification.Kind
    MESSAGE: Notification.Kind
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[Notification.Severity]
        INFO: _ClassVar[Notification.Severity]
        SUCCESS: _ClassVar[Notification.Severity]
        WARNING: _ClassVar[Notification.Severity]
        ERROR: _ClassVar[Notification.Severity]
    SEVERITY_UNSPECIFIED: Notification.Severity
    INFO: Notification.Severity
    SUCCESS: Notification.Severity
    WARNING: Notification.Severity
    ERROR: Notification.Severity
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class Action(_message.Message):
        __slots__ = ("label", "job_id", "media_id", "batch_id", "share_id", "uri")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        JOB_ID_FIELD_NUMBER: _ClassVar[int]
        MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
        BATCH_ID_FIELD_NUMBER: _ClassVar[int]
        SHARE_ID_FIELD_NUMBER: _ClassVar[int]
        URI_FIELD_NUMBER: _ClassVar[int]
        label: str
        job_id: str
        media_id: str
        batch_id: str
        share_id: str
        uri: str
        def __init__(self, label: _Optional[str] = ..., job_id: _Optional[str] = ..., media_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., share_id: _Optional[str] = ..., uri: _Optional[str] = ...) -> None: ...
    NOTIFICATION_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    notification_id: str
    kind: Notification.Kind
    severity: Notification.Severity
    title: str
    text: str
    action: Notification.Action
    job_id: str
    batch_id: str
    sender: str
    counts: _containers.ScalarMap[str, int]
    create_time: _timestamp_pb2.Timestamp
    read_time: _timestamp_pb2.Timestamp
    def __init__(self, notification_id: _Optional[str] = ..., kind: _Optional[_Union[Notification.Kind, str]] = ..., severity: _Optional[_Union[Notification.Severity, str]] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., action: _Optional[_Union[Notification.Action, _Mapping]] = ..., job_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., sender: _Optional[str] = ..., counts: _Optional[_Mapping[str, int]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NotificationEvent(_message.Message):
    __slots__ = ("type", "notification", "notification_ids", "until_time", "unread_count")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[NotificationEvent.Type]
        CURRENT: _ClassVar[NotificationEvent.Type]
        CREATED: _ClassVar[NotificationEvent.Type]
        UPDATED: _ClassVar[NotificationEvent.Type]
        READ: _ClassVar[NotificationEvent.Type]
        DELETED: _ClassVar[NotificationEvent.Type]
    TYPE_UNSPECIFIED: NotificationEvent.Type
    CURRENT: NotificationEvent.Type
    CREATED: NotificationEvent.Type
    UPDATED: NotificationEvent.Type
    READ: NotificationEvent.Type
    DELETED: NotificationEvent.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATION_IDS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    type: NotificationEvent.Type
    notification: Notification
    notification_ids: _containers.RepeatedScalarFieldContainer[str]
    until_time: _timestamp_pb2.Timestamp
    unread_count: int
    def __init__(self, type: _Optional[_Union[NotificationEvent.Type, str]] = ..., notification: _Optional[_Union[Notification, _Mapping]] = ..., notification_ids: _Optional[_Iterable[str]] = ..., until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unread_count: _Optional[int] = ...) -> None: ...

class Announcement(_message.Message):
    __slots__ = ("announcement_id", "severity", "title", "text", "uri", "create_time", "expire_time", "read_time")
    ANNOUNCEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    announcement_id: str
    severity: Notification.Severity
    title: str
    text: str
    uri: str
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    read_time: _timestamp_pb2.Timestamp
    def __init__(self, announcement_id: _Optional[str] = ..., severity: _Optional[_Union[Notification.Severity, str]] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., uri: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AnnouncementEvent(_message.Message):
    __slots__ = ("type", "announcement", "announcement_ids")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[AnnouncementEvent.Type]
        CURRENT: _ClassVar[AnnouncementEvent.Type]
        CREATED: _ClassVar[AnnouncementEvent.Type]
        DELETED: _ClassVar[AnnouncementEvent.Type]
        READ: _ClassVar[AnnouncementEvent.Type]
    TYPE_UNSPECIFIED: AnnouncementEvent.Type
    CURRENT: AnnouncementEvent.Type
    CREATED: AnnouncementEvent.Type
    DELETED: AnnouncementEvent.Type
    READ: AnnouncementEvent.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_IDS_FIELD_NUMBER: _ClassVar[int]
    type: AnnouncementEvent.Type
    announcement: Announcement
    announcement_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type: _Optional[_Union[AnnouncementEvent.Type, str]] = ..., announcement: _Optional[_Union[Announcement, _Mapping]] = ..., announcement_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class NotificationSettings(_message.Message):
    __slots__ = ("kinds", "digest_after", "budget_alert_percents")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_AFTER_FIELD_NUMBER: _ClassVar[int]
    BUDGET_ALERT_PERCENTS_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[Notification.Kind]
    digest_after: _duration_pb2.Duration
    budget_alert_percents: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, kinds: _Optional[_Iterable[_Union[Notification.Kind, str]]] = ..., digest_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., budget_alert_percents: _Optional[_Iterable[int]] = ...) -> None: ...
