"""From the spec of a job to the request for Veo; pure, but for reading the inputs."""

from dataclasses import dataclass

from core.errors import Reason
from core.files.sniff import HEAD_BYTES, sniff_mime_type
from core.jobs import JobFailure
from core.specs import VideoSpec
from workers.providers import ProviderFailed, ReadInput

# An extension always has this length, whatever the spec says.
EXTENSION_SECONDS = 7
_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp"})


@dataclass(frozen=True, slots=True)
class Input:
    """The bytes of an input, and their type."""

    data: bytes
    mime_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VeoRequest:
    """One request for `count` videos of `seconds`."""

    model: str
    prompt: str
    negative_prompt: str = ""
    seconds: int
    aspect_ratio: str
    resolution: str
    count: int = 1
    seed: int | None = None
    audio: bool = True
    first_frame: Input | None = None
    last_frame: Input | None = None
    references: tuple[Input, ...] = ()
    video: Input | None = None


def make_request(spec: VideoSpec, prompt: str, model: str, read_input: ReadInput) -> VeoRequest:
    """The request for a spec. `prompt` is the final prompt, `model` Google's name of the model.

    Raises:
        ProviderFailed: when Veo does not take the combination, or an input can't be used.
    """
    _check(spec)
    return VeoRequest(
        model=model,
        prompt=prompt,
        negative_prompt=spec.negative_prompt,
        seconds=EXTENSION_SECONDS if spec.source_video else spec.duration_ms // 1000,
        aspect_ratio=spec.aspect_ratio,
        resolution=spec.resolution,
        count=spec.output_count,
        seed=spec.seed,
        # Veo 3 demands the field, and makes sound by default.
        audio=spec.audio is not False,
        first_frame=_picture(spec.first_frame, read_input),
        last_frame=_picture(spec.last_frame, read_input),
        references=tuple(_input(media, read_input, _PICTURES) for media in spec.references),
        video=_input(spec.source_video, read_input, {"video/mp4"}) if spec.source_video else None,
    )


def _check(spec: VideoSpec) -> None:
    """Refuses combinations that the documentation of the SDK rules out."""
    if spec.last_frame and not spec.first_frame:
        raise _refused("last_frame", "needs a first_frame")
    if spec.source_video and (spec.first_frame or spec.last_frame):
        raise _refused("source_video", "goes with no first_frame or last_frame")
    if spec.references and (spec.first_frame or spec.last_frame or spec.source_video):
        raise _refused("references", "go with no first_frame, last_frame or source_video")


def _picture(media: str | None, read_input: ReadInput) -> Input | None:
    return _input(media, read_input, _PICTURES) if media else None


def _input(media: str, read_input: ReadInput, types: frozenset[str] | set[str]) -> Input:
    data = read_input(media)
    mime_type = sniff_mime_type(data[:HEAD_BYTES])
    if mime_type not in types:
        message = f"Veo takes {', '.join(sorted(types))}, and an input is none of these."
        raise ProviderFailed(JobFailure(reason=Reason.INPUT_MEDIA_INVALID, message=message))
    return Input(data, str(mime_type))


def _refused(field: str, why: str) -> ProviderFailed:
    message = f"Veo can't do this: {field} {why}."
    details = {"field": f"spec.{field}"}
    return ProviderFailed(
        JobFailure(reason=Reason.PROVIDER_REJECTED, message=message, metadata=details)
    )
