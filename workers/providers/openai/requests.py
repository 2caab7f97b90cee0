"""From a job to the request for the Image API; pure, but for reading the inputs."""

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from core.errors import Reason
from core.files.sniff import EXTENSIONS, sniff_mime_type
from core.jobs import Job, JobFailure
from core.specs import ImageSpec
from workers.providers import ProviderFailed, ReadInput
from workers.providers.builtin.picture import fitted, opened

# Not every model has a step above "high". Never "auto", because its price is not known before.
QUALITIES = {"DRAFT": "low", "STANDARD": "medium", "HIGH": "high", "": "medium"}
FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
# A pixel as bright as this counts as white.
_WHITE = 128


@dataclass(frozen=True, slots=True)
class Request:
    """One call of `images.generate`, or of `images.edit` if it has images."""

    outputs: int
    # Holds the prompt and the inputs.
    fields: dict[str, Any] = field(repr=False)

    @property
    def edits(self) -> bool:
        """Whether the request has images to start from."""
        return "image" in self.fields


def make_request(job: Job, model: str, read_input: ReadInput) -> Request:
    """The request for the job; `model` is the provider's name of its model.

    Raises:
        ProviderFailed: when an input is gone or is no image.
    """
    spec = job.spec
    if not isinstance(spec, ImageSpec):
        raise _refused(Reason.PROVIDER_REJECTED, "OpenAI makes images only.")
    fields: dict[str, Any] = {
        "model": model,
        "prompt": job.final_prompt or spec.prompt,
        "n": spec.output_count,
        "size": spec.size,
        "quality": QUALITIES[spec.quality],
        "output_format": FORMATS[spec.output_mime_type],
        "safety_identifier": _pseudonym(job.user_id),
    }
    images = [read_input(media_id) for media_id in spec.references]
    if images:
        fields["image"] = [_file(f"reference-{i}", data) for i, data in enumerate(images)]
        if spec.mask:
            mask = _transparent(read_input(spec.mask), images[0])
            fields["mask"] = ("mask.png", mask, "image/png")
    return Request(spec.output_count, fields)


def _pseudonym(user_id: str) -> str:
    """A hash that all jobs of a user share. OpenAI asks for it, to block one user and not all."""
    return hashlib.sha256(f"rushes:{user_id}".encode()).hexdigest()


def _file(name: str, data: bytes) -> tuple[str, bytes, str]:
    mime_type = sniff_mime_type(data)
    if mime_type not in FORMATS:
        raise _refused(Reason.INPUT_MEDIA_INVALID, "A reference is not a PNG, JPEG or WebP image.")
    return f"{name}.{EXTENSIONS[mime_type]}", data, mime_type


def _transparent(mask: bytes, image: bytes) -> bytes:
    """The mask in OpenAI's form: as large as the image, and transparent where ours is white."""
    try:
        size = opened(image).size
        bright = fitted(opened(mask), *size).convert("L")
    except ValueError:
        raise _refused(Reason.INPUT_MEDIA_INVALID, "The mask can't be read.") from None
    result = Image.new("LA", size)
    result.putalpha(bright.point(lambda level: 0 if level >= _WHITE else 255))
    file = io.BytesIO()
    result.convert("RGBA").save(file, "PNG")
    return file.getvalue()


def _refused(reason: Reason, message: str) -> ProviderFailed:
    return ProviderFailed(JobFailure(reason=reason, message=message))
