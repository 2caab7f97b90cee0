"""A media item: an image or a video in a user's library. A job made it, or a caller gave it as
input.
"""

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any


class MediaType(StrEnum):
    """What a media item is; names of rushes.v1.Media.Type."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"


def media_type_of(mime_type: str) -> MediaType:
    """VIDEO of "video/mp4".

    Raises:
        ValueError: when it is neither an image nor a video.
    """
    return MediaType(mime_type.partition("/")[0].upper())


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One media item. Times are integer milliseconds; `blob_key` never leaves the house."""

    media_id: str
    user_id: str
    job_id: str = ""  # empty if a caller gave it as input
    output_index: int = 0
    type: MediaType
    mime_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    duration_ms: int | None = None
    blob_key: str
    thumbnail_key: str = ""
    title: str = ""
    prompt: str = ""
    revised_prompt: str = ""
    seed: int | None = None
    provider: str = ""
    model: str = ""
    cost_micros: int | None = None
    generation_ms: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    starred: bool = False
    has_content_credentials: bool = False
    create_time: int = 0
    delete_time: int | None = None
    purge_time: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The item as JSON values, without the fields that are None or empty."""
        pairs = zip(_NAMES, _VALUES(self), strict=True)
        return {name: value for name, value in pairs if value or value not in (None, "")}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Media":
        """The item that `to_json` wrote. It ignores names that only a newer version knows."""
        known = {name: values[name] for name in _NAMES if name in values}
        return cls(**{**known, "type": MediaType(known["type"])})


_NAMES = tuple(field.name for field in dataclasses.fields(Media))
_VALUES = attrgetter(*_NAMES)
