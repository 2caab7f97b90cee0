"""The board: announcements that came and went while this process runs, for all of its watchers.

One look at the database each two seconds serves all of them. No user's row is touched.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from core.announcements import Announcement
from core.errors import RushesError
from core.process.telemetry import get_logger
from core.store.announcements import AnnouncementChange
from rushes.v1 import notification_pb2 as pb
from rushes.v1.media_service_pb2 import WatchEvent
from server.mapping.notifications import announcement_event, announcement_to_proto
from server.watch.frames import event_frame
from server.watch.reader import Reader

log = get_logger(__name__)

LOOK_SECONDS = 2.0
# A transaction may commit so much later than its time says.
OVERLAP_MS = 5_000
# Watchers that are further behind get what is still there; the next watch begins with all.
KEPT = 1000


class Board:
    """What was announced, in order. Belongs to one event loop."""

    def __init__(self, reader: Reader, wake: Callable[[], None]) -> None:
        self._reader = reader
        self._wake = wake
        self._frames: deque[bytes] = deque(maxlen=KEPT)
        # What was seen, and whether it was deleted then, to tell each only once.
        self._seen: dict[str, bool] = {}
        self._since = 0
        self.number = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is no announcement that could be shown."""
        return all(self._seen.values())

    async def start(self) -> None:
        """Reads what there is already, which watches begin with.

        Raises:
            DependencyUnavailable: when the database can't be reached.
        """
        self._note(await self._reader.announcement_changes(0))

    async def read_forever(self) -> None:
        """Looks for announcements, and wakes the watchers when there is one."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                changes = await self._reader.announcement_changes(self._since - OVERLAP_MS)
            except RushesError as error:
                log.warning("announcements_unread", error=type(error).__name__)
                continue
            if new := self._note(changes):
                self._frames += [event_frame(_event(one)) for one in new]
                self.number += len(new)
                self._wake()

    def frames_after(self, number: int) -> list[bytes]:
        """The frames that came after the one with the number."""
        missed = min(self.number - number, len(self._frames))
        return list(self._frames)[len(self._frames) - missed :]

    def _note(self, changes: list[AnnouncementChange]) -> list[AnnouncementChange]:
        """Takes notice of changes, and gives those that are new."""
        new = []
        for one in changes:
            self._since = max(self._since, one.change_time)
            if self._seen.get(one.announcement.announcement_id) != one.is_deleted:
                self._seen[one.announcement.announcement_id] = one.is_deleted
                new.append(one)
        return new


def current_announcement(announcement: Announcement) -> WatchEvent:
    """An announcement that a watch begins with."""
    shown = announcement_to_proto(announcement)
    return announcement_event(pb.AnnouncementEvent.CURRENT, announcement=shown)


def _event(change: AnnouncementChange) -> WatchEvent:
    announcement = change.announcement
    if change.is_deleted:
        ids = [announcement.announcement_id]
        return announcement_event(pb.AnnouncementEvent.DELETED, announcement_ids=ids)
    shown = announcement_to_proto(announcement)
    return announcement_event(pb.AnnouncementEvent.CREATED, announcement=shown)
