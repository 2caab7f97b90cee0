"""Specs and records on the wire: the parts of a job that depend on its kind.

A spec is as its caller asked for it, with every default filled in and inputs by id.
"""

from collections.abc import Callable, Mapping
from typing import Any

from core.kinds import Record
from rushes.v1 import model_pb2
from server.mapping.values import duration, enum_value

# The fields of a VideoSpec and of an ImageSpec that a job's event keeps as they are shown.
_VIDEO = (
    "prompt",
    "model",
    "negative_prompt",
    "aspect_ratio",
    "resolution",
    "output_count",
    "seed",
    "audio",
    "loop",
    "style_pack",
    "mood",
    "cinematography",
)
_IMAGE = (
    "prompt",
    "model",
    "negative_prompt",
    "aspect_ratio",
    "size",
    "output_count",
    "seed",
    "output_mime_type",
    "style_pack",
    "mood",
)


def video(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a VideoSpec."""
    fields = {name: values[name] for name in _VIDEO if name in values}
    fields["duration"] = duration(values.get("duration_ms"))
    return fields | _shared(values, "first_frame", "last_frame", "source_video")


def image(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of an ImageSpec."""
    fields = {name: values[name] for name in _IMAGE if name in values}
    return fields | _shared(values, "mask")


def _shared(values: dict[str, Any], *inputs: str) -> dict[str, Any]:
    """The fields that both specs have: the quality, the references, and the named inputs."""
    fields: dict[str, Any] = {name: {"media_id": values[name]} for name in inputs if name in values}
    if quality := values.get("quality"):
        fields["quality"] = enum_value(model_pb2.Model.Quality, quality)
    if references := values.get("references"):
        fields["references"] = [{"media_id": media_id} for media_id in references]
    return fields


# What turns the JSON values of a spec into its fields, by the name of the kind of job, which is
# also the name of its field in `rushes.v1.Job`.
SPECS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"video": video, "image": image}

# The kinds whose result is a record (`core.kinds.RecordResult`): what turns the record into a field
# of `rushes.v1.Job`, as its name and its value. No kind has a record yet.
RESULTS: Mapping[str, Callable[[Any], tuple[str, Any]]] = {}


def result_field(kind: str, record: Record) -> dict[str, Any]:
    """The field of a job that holds its record, with its name."""
    name, value = RESULTS[kind](record)
    return {name: value}
