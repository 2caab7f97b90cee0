"""Jobs that make videos."""

import re

from core.kinds.kind import JobKind, Rendering
from core.kinds.results import MediaResult
from core.media import MediaType
from core.specs import VideoSpec


def _outputs_text(spec: VideoSpec) -> str:
    seconds = f"{spec.duration_ms / 1000:g} s"
    return f"{spec.output_count} x {seconds}" if spec.output_count > 1 else seconds


VIDEO = JobKind(
    name="video",
    spec=VideoSpec,
    result=MediaResult(MediaType.VIDEO),
    queue="video",
    finish_seconds=lambda settings: settings.video_finish_seconds,
    rendering=Rendering(
        fields=(
            "seed",
            "negative_prompt",
            "audio",
            "first_frame",
            "last_frame",
            "references",
            "source_video",
            "loop",
        ),
        size_field="resolution",
        size_form=re.compile(r"[1-9][0-9]{1,4}p|[1-9][0-9]?K"),
        size_examples=("720p", "2K"),
        timed=True,
        price_field="micros_per_second",
        thousandths=lambda spec: spec.duration_ms,
        outputs_text=_outputs_text,
    ),
)
