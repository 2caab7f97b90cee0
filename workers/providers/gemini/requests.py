"""From a job to its request; pure, but for reading the inputs.

Omni has no fields for the roles of its inputs. Tags in the prompt say them (Google's guide to Omni,
September 2026). A prompt that has such tags already stays as it is.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.catalog.models import Catalog
from core.errors import Reason
from core.files.sniff import HEAD_BYTES, sniff_mime_type
from core.jobs import Job, JobFailure
from core.specs import ImageSpec, VideoSpec
from workers.providers import ProviderFailed, ReadInput

# The API takes 100 MB of JSON, and base64 is a third longer than its bytes.
MAX_INPUT_BYTES = 70_000_000
_DECLARED = "[# "
_AS_REFERENCES = (
    "Use the given image(s) as references for video generation."
    " The images should not be used as literal initial frames."
)


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """The body of an interaction."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """Arguments of `generate_content`."""

    model: str
    contents: list[dict[str, Any]]
    config: dict[str, Any]


def plan_request(job: Job, catalog: Catalog, read_input: ReadInput) -> VideoPlan | ImagePlan:
    """The request for the job.

    Raises:
        ProviderFailed: INPUT_MEDIA_INVALID, when its inputs can't be sent.
    """
    found = catalog.get(job.spec.model)
    model = found.provider_model if found else job.spec.model
    inputs = _Inputs(read_input)
    return _PLANS[job.kind](model, job.final_prompt, job.spec, inputs)


class _Inputs:
    """Reads the inputs, and counts their bytes."""

    def __init__(self, read: ReadInput) -> None:
        self._read = read
        self._left = MAX_INPUT_BYTES

    def part(self, media_id: str, kind: str) -> dict[str, Any]:
        """The input as the content of an interaction."""
        data, mime_type = self.bytes_of(media_id, kind)
        return {"type": kind, "data": base64.b64encode(data).decode(), "mime_type": mime_type}

    def bytes_of(self, media_id: str, kind: str) -> tuple[bytes, str]:
        """The input and its type."""
        data = self._read(media_id)
        self._left -= len(data)
        mime_type = sniff_mime_type(data[:HEAD_BYTES]) or ""
        if not mime_type.startswith(f"{kind}/"):
            raise _bad_input(f"An input is no {kind} that the model takes.")
        if self._left < 0:
            most = MAX_INPUT_BYTES // 1_000_000
            raise _bad_input(f"The inputs together are larger than {most} MB.")
        return data, mime_type


def _interaction(model: str, prompt: str, spec: VideoSpec, inputs: _Inputs) -> VideoPlan:
    clips = [spec.source_video] if spec.source_video else []
    frames = [frame for frame in (spec.first_frame, spec.last_frame) if frame]
    content = [inputs.part(media_id, "video") for media_id in clips]
    content += [inputs.part(media_id, "image") for media_id in (*frames, *spec.references)]
    body: dict[str, Any] = {
        "model": model,
        "background": True,
        "input": [*content, {"type": "text", "text": tagged(prompt, spec)}],
        "response_format": _format(spec),
    }
    if config := _config(spec):
        body["generation_config"] = config
    return VideoPlan(body)


def _format(spec: VideoSpec) -> dict[str, str]:
    form = {
        "type": "video",
        "aspect_ratio": spec.aspect_ratio,
        "resolution": spec.resolution.lower(),
        "duration": f"{spec.duration_ms / 1000:g}s",
        "delivery": "uri",
    }
    if spec.source_video:
        # The new part has the ratio of the clip that it extends.
        del form["aspect_ratio"]
    return form


def _config(spec: VideoSpec) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if task := _task(spec):
        config["video_config"] = {"task": task}
    if spec.seed is not None:
        config["seed"] = spec.seed
    return config


def _task(spec: VideoSpec) -> str:
    """Omni's name for the task; empty if no name fits, so that the model finds out."""
    if spec.source_video:
        return "extend"
    if spec.first_frame or spec.last_frame:
        return "" if spec.references else "image_to_video"
    return "reference_to_video" if spec.references else "text_to_video"


def tagged(prompt: str, spec: VideoSpec) -> str:
    """The prompt with the roles of its inputs, which are numbered in the order of the request."""
    if _DECLARED in prompt:
        return prompt
    if spec.source_video and not prompt:
        prompt = "Continue the scene."
    roles = [("<FIRST_FRAME>", spec.first_frame), ("<LAST_FRAME>", spec.last_frame)]
    frames = [role for role, media_id in roles if media_id]
    if not spec.references:
        return " ".join([*(frame for frame in frames if frame not in prompt), prompt]).strip()
    sources = [f"{frame}@Image{number}" for number, frame in enumerate(frames, 1)]
    references = [
        f"<IMAGE_REF_{number}>@Image{len(frames) + number + 1}"
        for number in range(len(spec.references))
    ]
    head = [f"[# Sources {' '.join(sources)}]"] if sources else []
    tail = [] if sources else [_AS_REFERENCES]
    return " ".join([*head, f"[# References {' '.join(references)}]", prompt, *tail])


def _picture(model: str, prompt: str, spec: ImageSpec, inputs: _Inputs) -> ImagePlan:
    parts: list[dict[str, Any]] = []
    for media_id in spec.references:
        data, mime_type = inputs.bytes_of(media_id, "image")
        parts.append({"inline_data": {"data": data, "mime_type": mime_type}})
    config: dict[str, Any] = {
        "response_modalities": ["TEXT", "IMAGE"],
        "image_config": {"aspect_ratio": spec.aspect_ratio, "image_size": spec.size},
        # Or else the SDK sends and pays again whenever the model stops in the middle.
        "automatic_continuation": False,
    }
    if spec.seed is not None:
        config["seed"] = spec.seed
    contents = [{"role": "user", "parts": [*parts, {"text": prompt}]}]
    return ImagePlan(model, contents, config)


# By the kind of job.
_PLANS: Mapping[str, Callable[[str, str, Any, _Inputs], VideoPlan | ImagePlan]] = {
    "video": _interaction,
    "image": _picture,
}


def _bad_input(message: str) -> ProviderFailed:
    return ProviderFailed(JobFailure(reason=Reason.INPUT_MEDIA_INVALID, message=message))
