"""Notifications and announcements, as callers list, read, delete and make them."""

import hashlib
import json
import time
from dataclasses import dataclass, replace
from typing import Any

from core.announcements import Announcement
from core.errors import NotFound, field_invalid
from core.ids import new_id
from core.notifications import Action, Kind, Notification, NotificationSettings, Severity
from core.store import Database, announcements, inbox, jobs, media, shares
from core.store.inbox import Asked
from core.telling.changes import Changes
from core.tokens import ResumePoint, Tokens

DAY_MS = 24 * 3600 * 1000
# What the targets of an action are, that must be the user's.
_TARGETS = {
    "job_id": "job",
    "media_id": "media item",
    "batch_id": "batch",
    "share_id": "share",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationList:
    """Which notifications to list; no `kinds` are all of them."""

    page_size: int
    page_token: str
    unread: bool
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationPage:
    """A page of them; `resume_token` is empty on all pages but the first."""

    notifications: list[Notification]
    next_page_token: str
    unread_count: int
    resume_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Notifications by id, or all that were made up to a time; and announcements by id."""

    notification_ids: tuple[str, ...] = ()
    until_time: int | None = None
    announcement_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to a user, or to all users if it names none. Times in milliseconds."""

    user_id: str = ""
    title: str
    text: str
    severity: Severity
    action: Action | None = None
    uri: str = ""
    expire_time: int | None = None
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChange:
    """The settings that are not None are changed."""

    kinds: tuple[Kind, ...] | None = None
    digest_after_ms: int | None = None
    budget_alert_percents: tuple[int, ...] | None = None


class Notifications:
    """One user's notifications at a time, and the announcements to all users."""

    def __init__(
        self, db: Database, tokens: Tokens, changes: Changes, request_id_days: int
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._changes = changes
        self._keep_ms = request_id_days * DAY_MS

    def page(self, user_id: str, wanted: NotificationList) -> NotificationPage:
        """A page, newest first.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        listing = "notifications:" + json.dumps([wanted.unread, sorted(wanted.kinds)])
        after = self._position(user_id, listing, wanted.page_token)
        # The epoch comes first: after a restore the token of an older one gets RESET.
        epoch = "" if wanted.page_token else self._db.epoch()
        found = inbox.notifications(
            self._db,
            user_id,
            limit=wanted.page_size + 1,
            below=(after[0], after[1]) if after else None,
            kinds=wanted.kinds,
            only_unread=wanted.unread,
        )
        shown = found.notifications[: wanted.page_size]
        token = ""
        if len(found.notifications) > len(shown):
            last = [shown[-1].revision, shown[-1].notification_id]
            token = self._tokens.page(user_id, listing, last, _now_ms())
        resume = self._tokens.resume(user_id, ResumePoint(epoch, found.revision)) if epoch else ""
        return NotificationPage(
            notifications=shown,
            next_page_token=token,
            unread_count=found.unread_count,
            resume_token=resume,
        )

    def mark_read(self, user_id: str, named: Named) -> int:
        """Marks them as read; how many unread ones are left."""
        made = self._changes.make_own(
            lambda db: inbox.mark_read(
                db,
                user_id,
                notification_ids=named.notification_ids,
                until_time=named.until_time,
                announcement_ids=named.announcement_ids,
            )
        )
        return made.unread_count

    def delete(self, user_id: str, named: Named) -> int:
        """Deletes them for good; how many unread ones are left."""
        made = self._changes.make_own(
            lambda db: inbox.delete(
                db,
                user_id,
                notification_ids=named.notification_ids,
                until_time=named.until_time,
            )
        )
        return made.unread_count

    def settings(self, user_id: str) -> NotificationSettings:
        """What the user wants to be told."""
        return inbox.settings(self._db, user_id)

    def set_settings(self, user_id: str, change: SettingsChange) -> NotificationSettings:
        """Changes some of the settings, and gives all of them."""
        given = {
            "kinds": change.kinds,
            "digest_after_ms": change.digest_after_ms,
            "budget_alert_percents": change.budget_alert_percents,
        }
        named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return inbox.change_settings(self._db, user_id, lambda kept: replace(kept, **named))

    def create(self, sender: str, new: NewMessage) -> tuple[Notification, bool]:
        """Makes a message to one user; whether the request_id was known already.

        Raises:
            NotFound: naming the field, when the action's target is not the user's.
            RequestIdConflict: when the request_id belongs to another request.
        """
        self._check_target(new)
        message = Notification(
            notification_id=new_id(),
            kind=Kind.MESSAGE,
            severity=new.severity,
            title=new.title,
            text=new.text,
            action=new.action,
            sender=sender,
            create_time=0,
        )
        made = self._changes.make_own(
            lambda db: inbox.create(db, new.user_id, message, self._asked(new))
        )
        if made.notification is None:
            raise NotFound("notification", "request_id")
        return made.notification, made.change is None

    def announce(self, sender: str, new: NewMessage) -> tuple[Announcement, bool]:
        """Makes a message to all users; whether the request_id was known already.

        Raises:
            RequestIdConflict: when the request_id belongs to another request.
        """
        if new.expire_time is not None and new.expire_time <= self._db.now_ms():
            raise field_invalid("expire_time", "must be in the future")
        announcement = Announcement(
            announcement_id=new_id(),
            severity=new.severity,
            title=new.title,
            text=new.text,
            uri=new.uri,
            create_time=0,
            expire_time=new.expire_time,
        )
        found, deduplicated = inbox.announce(self._db, sender, announcement, self._asked(new))
        if found is None:
            raise NotFound("announcement", "request_id")
        return found, deduplicated

    def announcements(
        self, user_id: str, page_size: int, page_token: str, *, unread: bool
    ) -> tuple[list[Announcement], str]:
        """A page of those that have not expired, newest first, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        listing = f"announcements:{unread}"
        after = self._position(user_id, listing, page_token)
        found = announcements.page(
            self._db,
            user_id,
            limit=page_size + 1,
            below=(after[0], after[1]) if after else None,
            only_unread=unread,
        )
        shown = found[:page_size]
        if len(found) == len(shown):
            return shown, ""
        last = [shown[-1].create_time, shown[-1].announcement_id]
        return shown, self._tokens.page(user_id, listing, last, _now_ms())

    def withdraw(self, announcement_id: str) -> None:
        """Deletes an announcement, if it is not gone already."""
        announcements.delete(self._db, announcement_id)

    def _asked(self, new: NewMessage) -> Asked:
        return Asked(new.request_id, _fingerprint(new), self._keep_ms)

    def _check_target(self, new: NewMessage) -> None:
        action = new.action
        if action is None or action.target == "uri":
            return
        try:
            self._find_target(new.user_id, action)
        except NotFound:
            raise NotFound(_TARGETS[action.target], f"action.{action.target}") from None

    def _find_target(self, user_id: str, action: Action) -> None:
        if action.target == "job_id":
            jobs.get(self._db, user_id, action.value)
        elif action.target == "media_id":
            media.get(self._db, user_id, action.value)
        elif action.target == "share_id":
            shares.get(self._db, user_id, action.value)
        elif not jobs.list_page(self._db, user_id, batch_id=action.value, limit=1)[0]:
            raise NotFound("batch")

    def _position(self, user_id: str, listing: str, token: str) -> list[Any]:
        return self._tokens.read_page(user_id, listing, token, _now_ms()) if token else []


def _fingerprint(new: NewMessage) -> str:
    """What tells the request from another one with the same request_id."""
    asked = repr(replace(new, request_id=""))
    return hashlib.sha256(asked.encode()).hexdigest()


def _now_ms() -> int:
    return int(time.time() * 1000)
