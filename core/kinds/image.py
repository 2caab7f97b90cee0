"""Jobs that make images."""

import re

from core.kinds.kind import JobKind, Rendering
from core.kinds.results import MediaResult
from core.media import MediaType
from core.specs import ImageSpec


def _outputs_text(spec: ImageSpec) -> str:
    return "1 image" if spec.output_count == 1 else f"{spec.output_count} images"


IMAGE = JobKind(
    name="image",
    spec=ImageSpec,
    result=MediaResult(MediaType.IMAGE),
    queue="image",
    finish_seconds=lambda settings: settings.image_finish_seconds,
    rendering=Rendering(
        fields=("seed", "negative_prompt", "references", "mask", "output_mime_type"),
        size_field="size",
        size_form=re.compile(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}|[1-9][0-9]?K"),
        size_examples=("1024x1024", "2K"),
        timed=False,
        price_field="micros_per_image",
        thousandths=lambda spec: 1000,
        outputs_text=_outputs_text,
    ),
)
