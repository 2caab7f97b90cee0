"""Cuts pages so that they fit into one message: clients take 4 MiB, and long prompts are large."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from core.events import UserChange
from core.jobs import Job
from core.media import Media
from core.recipes import Recipe
from core.specs import Spec, spec_to_json

T = TypeVar("T")
MAX_PAGE_BYTES = 3 * 1024 * 1024
# An upper bound of what an item takes on the wire besides its texts, signed addresses included.
_JOB_BYTES = 1000
_MEDIA_BYTES = 3000
_RECIPE_BYTES = 1000
_RECIPE_INPUT_BYTES = 300


def cut(items: Sequence[T], most: int, size: Callable[[T], int]) -> list[T]:
    """The first items, at most `most`, that fit together; one at least."""
    total = 0
    fitting: list[T] = []
    for item in items[:most]:
        total += size(item)
        if fitting and total > MAX_PAGE_BYTES:
            break
        fitting.append(item)
    return fitting


def job_bytes(job: Job) -> int:
    """About how long a job is on the wire."""
    own = asked_bytes(job.spec, job.final_prompt, job.labels) + _length(job.cancel_reason)
    if job.result is not None:
        own += _length(json.dumps(job.result.to_json()))
    return own + sum(map(media_bytes, job.outputs))


def asked_bytes(spec: Spec, final_prompt: str, labels: Mapping[str, str]) -> int:
    """The same of a job that has made nothing yet."""
    texts = [value for value in spec_to_json(spec).values() if isinstance(value, str)]
    return _JOB_BYTES + _length(*texts, final_prompt) + _labels(labels)


def recipe_bytes(recipe: Recipe) -> int:
    """The same of a recipe."""
    texts = [value for value in recipe.spec.values() if isinstance(value, str)]
    inputs = len(recipe.inputs) * _RECIPE_INPUT_BYTES
    return (
        inputs + _RECIPE_BYTES + _length(*texts, recipe.final_prompt, recipe.media.revised_prompt)
    )


def media_bytes(media: Media) -> int:
    """About how long a media item is on the wire."""
    return (
        _MEDIA_BYTES
        + _length(media.prompt, media.revised_prompt, media.title)
        + _labels(media.labels)
    )


def event_bytes(event: UserChange) -> int:
    """About how long an event is on the wire; its JSON is longer but has no addresses."""
    return _MEDIA_BYTES + len(event.payload)


def _labels(labels: Mapping[str, str]) -> int:
    return _length(*labels, *labels.values()) + 8 * len(labels) if labels else 0


def _length(*texts: str) -> int:
    return len("".join(texts).encode())
