"""What a video job was asked for."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpec:
    """A video to render. Inputs are media ids of the caller; every default is filled in."""

    kind: ClassVar[str] = "video"

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
    # True or None, never False: what was asked for before there were loops looks as it did.
    loop: bool | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Media ids of everything given as input."""
        single = (self.first_frame, self.last_frame, self.source_video)
        return tuple(i for i in single if i) + self.references
