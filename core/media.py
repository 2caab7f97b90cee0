"""A media item: an image or a video in a user's library, made by a job or given as input."""

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class MediaType(StrEnum):
    """What a media item is; names of rushes.v1.Media.Type."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One media item. Times are integer milliseconds; `blob_key` never leaves the house."""

    media_id: str
    user_id: str
    job_id: str = ""  # empty for what a caller gave as input
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
        """The item as JSON values, without what is unset."""
        values = ((name, getattr(self, name)) for name in _NAMES)
        return {name: value for name, value in values if value not in (None, "")}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Media":
        """The item that `to_json` wrote; names of a newer version are left out."""
        known = {name: values[name] for name in _NAMES if name in values}
        return cls(**{**known, "type": MediaType(known["type"])})


_NAMES = tuple(field.name for field in dataclasses.fields(Media))
