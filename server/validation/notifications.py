"""Checks the requests of NotificationService."""

import re
from typing import Any
from urllib.parse import urlsplit

from core.notifications import (
    MAX_TEXT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    Action,
    Kind,
    Severity,
)
from core.process.settings import Settings
from rushes.v1 import notification_pb2
from rushes.v1 import notification_service_pb2 as pb
from server.commands.notifications import Named, NewMessage, NotificationList, SettingsChange
from server.validation import fields as f
from server.validation.problems import Problems

MAX_LABEL_CHARACTERS = 40
MAX_URI_CHARACTERS = 2000
MAX_USER_CHARACTERS = 256
MAX_ANNOUNCEMENT_IDS = 100
MAX_PERCENTS = 5
DIGEST_MS = (60_000, 30 * 24 * 3600 * 1000)  # least, most
_SETTINGS = ("kinds", "digest_after", "budget_alert_percents")
_SPACE = re.compile(r"\s|[\x00-\x1f\x7f-\x9f]")


class NotificationValidator:
    """Checks requests against the limits of the contract."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list(self, request: pb.ListNotificationsRequest) -> NotificationList:
        """Which notifications to list."""
        problems = Problems()
        size, token = self.page(problems, request)
        kinds = _kinds(problems, "kinds", request.kinds)
        problems.raise_wrong()
        return NotificationList(
            page_size=size, page_token=token, unread=request.unread, kinds=kinds
        )

    def list_announcements(self, request: pb.ListAnnouncementsRequest) -> tuple[int, str]:
        """The size of the page, and its token."""
        problems = Problems()
        size, token = self.page(problems, request)
        problems.raise_wrong()
        return size, token

    def page(self, problems: Problems, request: Any) -> tuple[int, str]:
        """The size of a page, and its token."""
        most = self._settings.max_page_size
        size = f.check_page_size(problems, "page_size", request.page_size, most)
        return size, f.check_token(problems, "page_token", request.page_token)

    def mark_read(self, request: pb.MarkNotificationsReadRequest) -> Named:
        """What to mark as read."""
        problems = Problems()
        named = _named(problems, request)
        ids = f.check_ids(problems, "announcement_ids", request.announcement_ids)
        if len(ids) > MAX_ANNOUNCEMENT_IDS:
            problems.wrong(
                "announcement_ids",
                f"has {len(ids)} IDs; at most {MAX_ANNOUNCEMENT_IDS} are allowed",
            )
        if not (request.notification_ids or named.until_time is not None or ids):
            problems.wrong("notification_ids", "name some, or a time up to which, or announcements")
        problems.raise_wrong()
        return Named(
            notification_ids=named.notification_ids,
            until_time=named.until_time,
            announcement_ids=ids,
        )

    def delete(self, request: pb.DeleteNotificationsRequest) -> Named:
        """What to delete."""
        problems = Problems()
        named = _named(problems, request)
        if not request.notification_ids and named.until_time is None:
            problems.wrong("notification_ids", "name some, or a time up to which")
        problems.raise_wrong()
        return named

    def settings(self, request: pb.UpdateNotificationSettingsRequest) -> SettingsChange:
        """Which settings to change, and to what."""
        problems = Problems()
        given = request.settings
        present = {field.name for field, _ in given.ListFields()}
        named = set(request.update_mask.paths) or present
        for path in sorted(named - set(_SETTINGS)):
            known = ", ".join(_SETTINGS)
            problems.wrong("update_mask", f"has an unknown field {path[:64]!a}; use {known}")
        if not named:
            problems.wrong("settings", "must have a field to change")
        change = SettingsChange(
            kinds=_kinds(problems, "settings.kinds", given.kinds) if "kinds" in named else None,
            digest_after_ms=_digest(problems, given) if "digest_after" in named else None,
            budget_alert_percents=(
                _percents(problems, given) if "budget_alert_percents" in named else None
            ),
        )
        problems.raise_wrong()
        return change

    def create(self, request: pb.CreateNotificationRequest) -> NewMessage:
        """The message to make."""
        problems = Problems()
        f.check_text(problems, "user_id", request.user_id, MAX_USER_CHARACTERS)
        if not request.user_id:
            problems.wrong("user_id", "must name the user to notify")
        action = _action(problems, request.action) if request.HasField("action") else None
        new = NewMessage(
            user_id=request.user_id,
            **_words(problems, request),
            action=action,
            request_id=f.check_request_id(problems, "request_id", request.request_id),
        )
        problems.raise_wrong()
        return new

    def announce(self, request: pb.CreateAnnouncementRequest) -> NewMessage:
        """The announcement to make."""
        problems = Problems()
        if request.uri:
            _check_uri(problems, "uri", request.uri)
        expires = None
        if request.HasField("expire_time"):
            expires = f.read_time(problems, "expire_time", request.expire_time)
        new = NewMessage(
            **_words(problems, request),
            uri=request.uri,
            expire_time=expires,
            request_id=f.check_request_id(problems, "request_id", request.request_id),
        )
        problems.raise_wrong()
        return new

    def announcement_id(self, request: pb.DeleteAnnouncementRequest) -> str:
        """The announcement to delete."""
        problems = Problems()
        found = f.check_id(problems, "announcement_id", request.announcement_id)
        problems.raise_wrong()
        return found


def _words(problems: Problems, request: Any) -> dict[str, Any]:
    """Title, text and severity of a message."""
    if not request.title.strip():
        problems.wrong("title", "must not be empty")
    f.check_text(problems, "title", request.title, MAX_TITLE_CHARACTERS)
    f.check_text(problems, "text", request.text, MAX_TEXT_CHARACTERS, lines=True)
    enum = notification_pb2.Notification.Severity
    severity = f.read_enum(problems, "severity", enum, request.severity)
    return {
        "title": request.title,
        "text": request.text,
        "severity": Severity(severity) if severity else Severity.INFO,
    }


def _named(problems: Problems, request: Any) -> Named:
    ids = f.check_ids(problems, "notification_ids", request.notification_ids)
    until = None
    if request.HasField("until_time"):
        until = f.read_time(problems, "until_time", request.until_time)
        if ids:
            problems.wrong("until_time", "give either IDs or a time")
    return Named(notification_ids=ids, until_time=until)


def _kinds(problems: Problems, field: str, kinds: Any) -> tuple[Kind, ...]:
    enum = notification_pb2.Notification.Kind
    found = []
    for number, value in enumerate(kinds[: f.MAX_IDS]):
        place = f"{field}[{number}]"
        name = f.read_enum(problems, place, enum, value)
        if not value:
            problems.wrong(place, "must name a kind")
        if name:
            found.append(Kind(name))
    return tuple(dict.fromkeys(found))


def _digest(problems: Problems, settings: notification_pb2.NotificationSettings) -> int:
    field = "settings.digest_after"
    ms = f.read_duration(problems, field, settings.digest_after) or 0
    least, most = DIGEST_MS
    if ms and not least <= ms <= most:
        problems.wrong(field, "must be 0, or from 1 minute to 30 days")
    return ms


def _percents(
    problems: Problems, settings: notification_pb2.NotificationSettings
) -> tuple[int, ...]:
    field = "settings.budget_alert_percents"
    percents = tuple(sorted(set(settings.budget_alert_percents)))
    if len(percents) > MAX_PERCENTS:
        problems.wrong(field, f"has {len(percents)} values; at most {MAX_PERCENTS} are allowed")
    if any(not 1 <= percent <= 100 for percent in percents):
        problems.wrong(field, "each must be from 1 to 100")
    return percents


def _action(problems: Problems, action: notification_pb2.Notification.Action) -> Action | None:
    target = action.WhichOneof("target")
    if not action.label.strip():
        problems.wrong("action.label", "must not be empty")
    f.check_text(problems, "action.label", action.label, MAX_LABEL_CHARACTERS)
    if target is None:
        problems.wrong(
            "action", "must have one target: job_id, media_id, batch_id, share_id or uri"
        )
        return None
    value = getattr(action, target)
    if target == "uri":
        _check_uri(problems, "action.uri", value)
    else:
        f.check_id(problems, f"action.{target}", value)
    return Action(label=action.label, target=target, value=value)


def _check_uri(problems: Problems, field: str, uri: str) -> None:
    """Allows an http or https address of at most 2000 characters. Nobody here fetches it."""
    if len(uri) > MAX_URI_CHARACTERS:
        problems.wrong(
            field, f"has {len(uri)} characters; at most {MAX_URI_CHARACTERS} are allowed"
        )
        return
    f.check_text(problems, field, uri, MAX_URI_CHARACTERS)
    try:
        parts = urlsplit(uri)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address or _SPACE.search(uri):
        problems.wrong(field, "must be an http or https address")
