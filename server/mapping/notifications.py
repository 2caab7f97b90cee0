"""Notifications and announcements as callers see them, from the values that a change keeps."""

import time
from collections.abc import Sequence
from typing import Any

from core.announcements import Announcement
from core.notifications import Notification, NotificationSettings
from rushes.v1 import media_service_pb2 as service_pb
from rushes.v1 import notification_pb2 as pb
from server.mapping.values import duration, enum_value, timestamp

_TEXTS = ("notification_id", "title", "text", "job_id", "batch_id", "sender")


def notification_to_proto(notification: Notification) -> pb.Notification:
    """A notification."""
    return pb.Notification(**_notification(notification.to_json()))


def _current(notification: Notification, unread_count: int) -> dict[str, Any]:
    return {
        "type": pb.NotificationEvent.CURRENT,
        "notification": _notification(notification.to_json()),
        "unread_count": unread_count,
    }


def unread_to_proto(
    unread: Sequence[Notification], unread_count: int, now_ms: int
) -> service_pb.WatchEvent:
    """Unread notifications of a snapshot."""
    changes: Any = [_current(one, unread_count) for one in unread]
    return service_pb.WatchEvent(event_time=timestamp(now_ms), notifications=changes)


def announcement_event(type: Any, **fields: Any) -> service_pb.WatchEvent:
    """An announcement that comes or goes. It is no user's change, so it has no revision."""
    now_ms = time.time_ns() // 1_000_000
    announcement: Any = {"type": type, **fields}
    return service_pb.WatchEvent(event_time=timestamp(now_ms), announcement=announcement)


def notification_change(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a NotificationEvent, of what `NotificationChange.to_json` wrote."""
    fields: dict[str, Any] = {
        "type": enum_value(pb.NotificationEvent.Type, values["type"]),
        "unread_count": values["unread_count"],
    }
    if "notification" in values:
        fields["notification"] = _notification(values["notification"])
    if "notification_ids" in values:
        fields["notification_ids"] = values["notification_ids"]
    if "until_time" in values:
        fields["until_time"] = timestamp(values["until_time"])
    return fields


def announcement_to_proto(announcement: Announcement) -> pb.Announcement:
    """An announcement."""
    return pb.Announcement(
        announcement_id=announcement.announcement_id,
        severity=enum_value(pb.Notification.Severity, announcement.severity),
        title=announcement.title,
        text=announcement.text,
        uri=announcement.uri,
        create_time=timestamp(announcement.create_time),
        expire_time=timestamp(announcement.expire_time),
        read_time=timestamp(announcement.read_time),
    )


def settings_to_proto(settings: NotificationSettings) -> pb.NotificationSettings:
    """What the user wants to be told."""
    return pb.NotificationSettings(
        kinds=[enum_value(pb.Notification.Kind, kind) for kind in settings.kinds],
        digest_after=duration(settings.digest_after_ms),
        budget_alert_percents=settings.budget_alert_percents,
    )


def _notification(values: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: values[name] for name in _TEXTS if name in values}
    fields["kind"] = enum_value(pb.Notification.Kind, values["kind"])
    fields["severity"] = enum_value(pb.Notification.Severity, values["severity"])
    fields["create_time"] = timestamp(values["create_time"])
    fields["read_time"] = timestamp(values.get("read_time"))
    fields["counts"] = values.get("counts", {})
    if action := values.get("action"):
        fields["action"] = {"label": action["label"], action["target"]: action["value"]}
    return fields
