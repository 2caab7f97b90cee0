"""Views: what each place in a user's app shows, one media item or nothing."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.media import Media

# So many views of a user may show something, unless the operator says otherwise.
USUALLY_MOST = 1000


class ViewChangeType(StrEnum):
    """Names of rushes.v1.ViewEvent.Type."""

    CURRENT = "CURRENT"
    APPLIED = "APPLIED"
    CLEARED = "CLEARED"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a view shows. Without `media` it shows nothing.

    `apply_time` is in milliseconds of the database, and None of a view that shows nothing.
    """

    view: str
    media: Media | None = None
    looping: bool = False
    job_id: str = ""
    apply_time: int | None = None
    deleted_media_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Its fields that are not empty."""
        media = {"media": self.media.to_json()} if self.media else {}
        return self.to_json_alone() | media

    def to_json_alone(self) -> dict[str, Any]:
        """Its fields that are not empty, without the item."""
        values: dict[str, Any] = {
            "view": self.view,
            "looping": self.looping,
            "job_id": self.job_id,
            "apply_time": self.apply_time,
            "deleted_media_id": self.deleted_media_id,
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewChange:
    """A change of a view, as it is afterwards."""

    type: ViewChangeType
    view: View

    def to_json(self) -> dict[str, Any]:
        """The change as an event keeps it."""
        return {"type": self.type, "view": self.view.to_json()}
