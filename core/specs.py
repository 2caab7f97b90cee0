"""What a job was asked for: one validated, immutable spec per kind of job."""

import dataclasses
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

# The form of a queue's name.
QUEUE_NAME = re.compile("[a-z][a-z0-9-]*")


class Kind(StrEnum):
    """Kind of job; also the name of the queue that it waits in, unless its model has its own."""

    VIDEO = "video"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpec:
    """A video to render. Inputs are media ids of the caller; every default is filled in."""

    kind: ClassVar[Kind] = Kind.VIDEO

    prompt: str
    model: str
    quality: str = ""  # DRAFT, STANDARD, HIGH, or empty when a model was named
    negative_prompt: str = ""
    duration_ms: int
    aspect_ratio: str  # "16:9"
    resolution: str  # "720p"
    output_count: int = 1
    seed: int | None = None  # None lets the provider draw one
    audio: bool | None = None
    first_frame: str | None = None
    last_frame: str | None = None
    references: tuple[str, ...] = ()
    source_video: str | None = None
    style_pack: str = ""
    mood: str = ""
    cinematography: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Media ids of everything given as input."""
        single = (self.first_frame, self.last_frame, self.source_video)
        return tuple(i for i in single if i) + self.references


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """An image to render. Inputs are media ids of the caller; every default is filled in."""

    kind: ClassVar[Kind] = Kind.IMAGE

    prompt: str
    model: str
    quality: str = ""
    negative_prompt: str = ""
    aspect_ratio: str  # "1:1"
    size: str  # "1024x1024"
    output_count: int = 1
    seed: int | None = None
    references: tuple[str, ...] = ()
    mask: str | None = None
    output_mime_type: str = "image/png"
    style_pack: str = ""
    mood: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Media ids of everything given as input."""
        return self.references + ((self.mask,) if self.mask else ())


Spec = VideoSpec | ImageSpec
_NAMES = {
    spec.kind: tuple(field.name for field in dataclasses.fields(spec))
    for spec in (VideoSpec, ImageSpec)
}


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """The spec as JSON values, without what is unset."""
    values = ((name, getattr(spec, name)) for name in _NAMES[spec.kind])
    return {name: value for name, value in values if value not in (None, ())}


def spec_from_json(kind: Kind, values: dict[str, Any]) -> Spec:
    """The spec that `spec_to_json` wrote; unknown names of a newer version are left out."""
    cls = VideoSpec if kind is Kind.VIDEO else ImageSpec
    known = {name: values[name] for name in _NAMES[kind] if name in values}
    if "references" in known:
        known["references"] = tuple(known["references"])
    return cls(**known)
