"""What a watch tells beside jobs, one plain line for each change."""

from collections.abc import Iterator

from rushes.cli.output import shorten
from rushes.v1.media_service_pb2 import WatchEvent
from rushes.v1.notification_pb2 import AnnouncementEvent, NotificationEvent
from rushes.v1.view_pb2 import ViewEvent


def lines_beside(event: WatchEvent) -> Iterator[str]:
    """The lines for the event's notifications, views and announcement."""
    yield from map(_notification, event.notifications)
    yield from map(_view, event.views)
    if event.HasField("announcement"):
        yield _announcement(event.announcement)


def _notification(change: NotificationEvent) -> str:
    if change.HasField("notification"):
        one = change.notification
        return f"Notification: {_told(one.title, one.text)}, {change.unread_count} unread"
    done = "deleted" if change.type == NotificationEvent.DELETED else "read"
    which = f"{len(change.notification_ids)} notifications" if change.notification_ids else "All"
    return f"{which} {done}, {change.unread_count} unread"


def _view(change: ViewEvent) -> str:
    view = change.view
    return f"View {view.view} shows {view.media.media_id or 'nothing'}"


def _announcement(change: AnnouncementEvent) -> str:
    if change.HasField("announcement"):
        one = change.announcement
        return f"Announcement: {_told(one.title, one.text)}"
    done = "deleted" if change.type == AnnouncementEvent.DELETED else "read"
    return f"Announcement {done}: {', '.join(change.announcement_ids)}"


def _told(title: str, text: str) -> str:
    return shorten(f"{title} ({text})" if text else title)
