"""Specs and records on the wire: the parts of a job that depend on its kind.

A spec is as its caller asked for it, with every default filled in and inputs by id.
"""

from collections.abc import Callable, Mapping
from typing import Any

from core.jobs import Job
from core.specs import ImageSpec, Spec, VideoSpec
from rushes.v1 import job_pb2, model_pb2
from server.mapping.values import duration, enum_value


def _input(media_id: str | None) -> job_pb2.MediaInput | None:
    return None if media_id is None else job_pb2.MediaInput(media_id=media_id)


def video_to_proto(spec: VideoSpec) -> job_pb2.VideoSpec:
    """The spec of a video job."""
    audio: Any = spec.audio  # the stub says bool; None leaves it unset
    return job_pb2.VideoSpec(
        prompt=spec.prompt,
        model=spec.model,
        quality=enum_value(model_pb2.Model.Quality, spec.quality),
        negative_prompt=spec.negative_prompt,
        duration=duration(spec.duration_ms),
        aspect_ratio=spec.aspect_ratio,
        resolution=spec.resolution,
        output_count=spec.output_count,
        seed=spec.seed,
        audio=audio,
        first_frame=_input(spec.first_frame),
        last_frame=_input(spec.last_frame),
        references=[job_pb2.MediaInput(media_id=item) for item in spec.references],
        source_video=_input(spec.source_video),
        style_pack=spec.style_pack,
        mood=spec.mood,
        cinematography=spec.cinematography,
    )


def image_to_proto(spec: ImageSpec) -> job_pb2.ImageSpec:
    """The spec of an image job."""
    return job_pb2.ImageSpec(
        prompt=spec.prompt,
        model=spec.model,
        quality=enum_value(model_pb2.Model.Quality, spec.quality),
        negative_prompt=spec.negative_prompt,
        aspect_ratio=spec.aspect_ratio,
        size=spec.size,
        output_count=spec.output_count,
        seed=spec.seed,
        references=[job_pb2.MediaInput(media_id=item) for item in spec.references],
        mask=_input(spec.mask),
        output_mime_type=spec.output_mime_type,
        style_pack=spec.style_pack,
        mood=spec.mood,
    )


# By the name of the kind of job, which is also the name of its field in `rushes.v1.Job`.
SPECS: Mapping[str, Callable[[Any], Any]] = {"video": video_to_proto, "image": image_to_proto}

# The kinds whose result is a record (`core.kinds.RecordResult`): what turns the record into a field
# of `rushes.v1.Job`, as its name and its message. No kind has a record yet.
RESULTS: Mapping[str, Callable[[Any], tuple[str, Any]]] = {}


def spec_to_field(spec: Spec) -> dict[str, Any]:
    """The field of a job that holds its spec, with its name."""
    return {spec.kind: SPECS[spec.kind](spec)}


def result_to_field(job: Job) -> dict[str, Any]:
    """The field of a job that holds its record, with its name; empty while it has none."""
    if job.result is None:
        return {}
    name, message = RESULTS[job.spec.kind](job.result)
    return {name: message}
