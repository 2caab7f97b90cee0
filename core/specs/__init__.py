"""What a job was asked for: one validated, immutable spec for each kind of job.

`core.kinds` says which spec belongs to which kind. A spec of a new kind is a file in this folder.
"""

import dataclasses
import functools
import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, Protocol, TypeVar

from core.specs.image import ImageSpec
from core.specs.video import VideoSpec

__all__ = [
    "QUEUE_NAME",
    "ImageSpec",
    "MediaSpec",
    "Spec",
    "VideoSpec",
    "media_spec",
    "spec_from_values",
    "spec_to_json",
]

# The form of a queue's name.
QUEUE_NAME = re.compile("[a-z][a-z0-9-]*")

# The specs that a model renders to a media item.
MediaSpec = VideoSpec | ImageSpec
S = TypeVar("S", bound="Spec")


class Spec(Protocol):
    """What the specs of all kinds have. A spec is a frozen dataclass of plain values and tuples."""

    # The name of its entry in `core.kinds.KINDS`.
    kind: ClassVar[str]

    @property
    def prompt(self) -> str:
        """What the caller wrote; empty if the caller wrote nothing."""

    @property
    def model(self) -> str:
        """Name of the model that makes the result; empty if no model does."""

    @property
    def output_count(self) -> int:
        """How many results the job makes, at least one."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Media ids of everything given as input."""


def media_spec(spec: Spec) -> MediaSpec:
    """The spec itself, if a model renders it to a media item.

    Raises:
        TypeError: when it is a spec of another kind.
    """
    if not isinstance(spec, MediaSpec):
        raise TypeError(f"a job of the kind {spec.kind} makes no media items")
    return spec


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """The spec as JSON values, without the fields that are None or empty tuples."""
    pairs = zip(_names(type(spec)), _values(type(spec))(spec), strict=True)
    return {name: value for name, value in pairs if value or value not in (None, ())}


def spec_from_values(cls: type[S], values: dict[str, Any]) -> S:
    """The spec that `spec_to_json` wrote. It ignores fields that only a newer version knows."""
    known = {name: values[name] for name in _names(cls) if name in values}
    return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in known.items()})


@functools.cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@functools.cache
def _values(cls: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*_names(cls))
