"""Announcements: messages of an operator to all users."""

from dataclasses import dataclass

from core.notifications import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A message to all users. Times in milliseconds; `read_time` is when the caller read it."""

    announcement_id: str
    severity: Severity
    title: str
    text: str = ""
    uri: str = ""
    create_time: int
    expire_time: int | None = None
    read_time: int | None = None
