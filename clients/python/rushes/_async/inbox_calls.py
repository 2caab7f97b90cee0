"""The calls about notifications and announcements."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime

from rushes import requests
from rushes._async.connection import AsyncConnection, first
from rushes.fields import Seconds
from rushes.v1 import notification_service_pb2 as pb
from rushes.v1.notification_pb2 import Announcement, Notification, NotificationSettings


class AsyncInboxCalls(AsyncConnection):
    """A connection with the calls about notifications. A watch brings them live (`include`)."""

    def notifications(
        self,
        *,
        kinds: Iterable[Notification.Kind | str] = (),
        unread: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Notification]:
        """The caller's notifications, newest first; pages are read as they are needed.

        kinds: of rushes.v1.Notification.Kind, in upper or lower case; any of them must match.
        """
        request = requests.notifications_request(kinds, unread, limit)
        pages = self._pages(self._notifications.ListNotifications, request)
        return first(limit, (one async for page in pages for one in page.notifications))

    async def unread_count(self) -> int:
        """How many of the caller's notifications are unread."""
        request = requests.notifications_request((), False, 1)
        answer = await self._call(self._notifications.ListNotifications, request)
        return answer.unread_count

    async def mark_read(
        self,
        notification_ids: Iterable[str] = (),
        *,
        until: datetime | None = None,
        announcement_ids: Iterable[str] = (),
    ) -> int:
        """Marks those as read, or all that were made up to `until`. Fine to repeat.

        The answer is how many are left unread.
        """
        request = requests.mark_read_request(notification_ids, until, announcement_ids)
        answer = await self._call(self._notifications.MarkNotificationsRead, request)
        return answer.unread_count

    async def delete_notifications(
        self, notification_ids: Iterable[str] = (), *, until: datetime | None = None
    ) -> int:
        """Deletes those for good, or all that were made up to `until`. Fine to repeat.

        The answer is how many are left unread.
        """
        request = requests.delete_notifications_request(notification_ids, until)
        answer = await self._call(self._notifications.DeleteNotifications, request)
        return answer.unread_count

    async def notification_settings(self) -> NotificationSettings:
        """What the caller wants to be told."""
        request = pb.GetNotificationSettingsRequest()
        answer = await self._call(self._notifications.GetNotificationSettings, request)
        return answer.settings

    async def update_notification_settings(
        self,
        *,
        kinds: Iterable[Notification.Kind | str] | None = None,
        digest_after: Seconds | None = None,
        budget_alert_percents: Iterable[int] | None = None,
    ) -> NotificationSettings:
        """Changes what is not None; the answer is all of it.

        digest_after: seconds without a watch after which notifications are gathered; 0 is never.
        """
        request = requests.notification_settings_request(kinds, digest_after, budget_alert_percents)
        answer = await self._call(self._notifications.UpdateNotificationSettings, request)
        return answer.settings

    async def notify(
        self,
        user_id: str,
        title: str,
        text: str = "",
        *,
        severity: Notification.Severity | str | None = None,
        action: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> Notification:
        """Sends a message to any user; the token needs the scope notifications.write.

        action: a button, for example `{"label": "Open", "uri": "https://example.com"}`.
        request_id: the same one with the same message gives the first one, for 7 days.
        """
        made = request_id or requests.new_request_id()
        request = requests.message_request(user_id, title, text, severity, action, made)
        answer = await self._call(self._notifications.CreateNotification, request)
        return answer.notification

    async def announce(
        self,
        title: str,
        text: str = "",
        *,
        severity: Notification.Severity | str | None = None,
        uri: str = "",
        expire_time: datetime | None = None,
        request_id: str | None = None,
    ) -> Announcement:
        """Says something to all users; the token needs the scope admin.

        expire_time: when it is shown no more; None is never.
        request_id: the same one with the same message gives the first one, for 7 days.
        """
        made = request_id or requests.new_request_id()
        request = requests.announcement_request(title, text, severity, uri, expire_time, made)
        answer = await self._call(self._notifications.CreateAnnouncement, request)
        return answer.announcement

    async def delete_announcement(self, announcement_id: str) -> None:
        """Withdraws an announcement; the token needs the scope admin. Fine to repeat."""
        request = pb.DeleteAnnouncementRequest(announcement_id=announcement_id)
        await self._call(self._notifications.DeleteAnnouncement, request)

    def announcements(
        self, *, unread: bool = False, limit: int | None = None
    ) -> AsyncIterator[Announcement]:
        """The messages to all users that have not expired, newest first."""
        request = requests.announcements_request(unread, limit)
        pages = self._pages(self._notifications.ListAnnouncements, request)
        return first(limit, (one async for page in pages for one in page.announcements))
