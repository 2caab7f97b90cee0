"""What an image job was asked for."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """An image to render. Inputs are media ids of the caller; every default is filled in."""

    kind: ClassVar[str] = "image"

    prompt: str
    model: str
    quality: str = ""  # DRAFT, STANDARD, HIGH, or empty when a model was named
    negative_prompt: str = ""
    aspect_ratio: str  # "1:1"
    size: str  # "1024x1024"
    output_count: int = 1
    seed: int | None = None  # None lets the provider draw one
    references: tuple[str, ...] = ()
    mask: str | None = None
    output_mime_type: str = "image/png"  # empty when the model chooses it
    style_pack: str = ""
    mood: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Media ids of everything given as input."""
        return self.references + ((self.mask,) if self.mask else ())
