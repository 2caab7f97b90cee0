"""NotificationService: each RPC takes the caller, checks the request, runs one command, maps."""

from rushes.v1 import notification_service_pb2 as pb
from rushes.v1 import notification_service_pb2_grpc as rpc
from server.commands.notifications import Notifications
from server.interceptors.layer import Context
from server.mapping.notifications import (
    announcement_to_proto,
    notification_to_proto,
    settings_to_proto,
)
from server.parts import Parts
from server.principal import require_principal
from server.validation.notifications import NotificationValidator


def _user() -> str:
    return require_principal().user_id


class NotificationService(rpc.NotificationServiceServicer):
    """Holds no rules: `validation` and `commands` have them."""

    def __init__(self, validator: NotificationValidator, notifications: Notifications) -> None:
        self._check = validator
        self._notifications = notifications

    def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        page = self._notifications.page(_user(), self._check.list(request))
        return pb.ListNotificationsResponse(
            notifications=map(notification_to_proto, page.notifications),
            next_page_token=page.next_page_token,
            unread_count=page.unread_count,
            resume_token=page.resume_token,
        )

    def MarkNotificationsRead(
        self, request: pb.MarkNotificationsReadRequest, context: Context
    ) -> pb.MarkNotificationsReadResponse:
        unread = self._notifications.mark_read(_user(), self._check.mark_read(request))
        return pb.MarkNotificationsReadResponse(unread_count=unread)

    def DeleteNotifications(
        self, request: pb.DeleteNotificationsRequest, context: Context
    ) -> pb.DeleteNotificationsResponse:
        unread = self._notifications.delete(_user(), self._check.delete(request))
        return pb.DeleteNotificationsResponse(unread_count=unread)

    def GetNotificationSettings(
        self, request: pb.GetNotificationSettingsRequest, context: Context
    ) -> pb.GetNotificationSettingsResponse:
        settings = self._notifications.settings(_user())
        return pb.GetNotificationSettingsResponse(settings=settings_to_proto(settings))

    def UpdateNotificationSettings(
        self, request: pb.UpdateNotificationSettingsRequest, context: Context
    ) -> pb.UpdateNotificationSettingsResponse:
        settings = self._notifications.set_settings(_user(), self._check.settings(request))
        return pb.UpdateNotificationSettingsResponse(settings=settings_to_proto(settings))

    def CreateNotification(
        self, request: pb.CreateNotificationRequest, context: Context
    ) -> pb.CreateNotificationResponse:
        made, deduplicated = self._notifications.create(_user(), self._check.create(request))
        return pb.CreateNotificationResponse(
            notification=notification_to_proto(made), deduplicated=deduplicated
        )

    def CreateAnnouncement(
        self, request: pb.CreateAnnouncementRequest, context: Context
    ) -> pb.CreateAnnouncementResponse:
        made, deduplicated = self._notifications.announce(_user(), self._check.announce(request))
        return pb.CreateAnnouncementResponse(
            announcement=announcement_to_proto(made), deduplicated=deduplicated
        )

    def ListAnnouncements(
        self, request: pb.ListAnnouncementsRequest, context: Context
    ) -> pb.ListAnnouncementsResponse:
        size, token = self._check.list_announcements(request)
        found, following = self._notifications.announcements(
            _user(), size, token, unread=request.unread
        )
        return pb.ListAnnouncementsResponse(
            announcements=map(announcement_to_proto, found), next_page_token=following
        )

    def DeleteAnnouncement(
        self, request: pb.DeleteAnnouncementRequest, context: Context
    ) -> pb.DeleteAnnouncementResponse:
        self._notifications.withdraw(self._check.announcement_id(request))
        return pb.DeleteAnnouncementResponse()


def build_notification_service(parts: Parts) -> NotificationService:
    """The service with its commands, made of the parts of this process."""
    notifications = Notifications(
        parts.db, parts.tokens, parts.changes, parts.settings.request_id_days
    )
    return NotificationService(NotificationValidator(parts.settings), notifications)
