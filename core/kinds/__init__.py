"""The table of job kinds: the one place that knows which kinds there are.

A new kind of job is an entry here and files of its own: its spec in `core/specs`, its entry in
`core/kinds`, its reader in `server/validation`, its message in `server/mapping`, and its result in
`workers/runs/results`. The registries there are keyed by the kind's name, and a test says when one
of them lacks a kind.
"""

from typing import Any

from core.kinds.image import IMAGE
from core.kinds.kind import JobKind, Rendering
from core.kinds.results import MediaResult, Record, RecordResult, Result
from core.kinds.video import VIDEO
from core.specs import Spec, spec_from_values

__all__ = [
    "KINDS",
    "JobKind",
    "MediaResult",
    "Record",
    "RecordResult",
    "Rendering",
    "Result",
    "queues",
    "record_from_json",
    "rendering_of",
    "spec_from_json",
]

# By name, in the order in which people are shown them.
KINDS: dict[str, JobKind] = {kind.name: kind for kind in (VIDEO, IMAGE)}


def queues() -> tuple[str, ...]:
    """The queue of each kind that workers run."""
    return tuple(kind.queue for kind in KINDS.values() if kind.queue)


def rendering_of(kind: str) -> Rendering:
    """How models render that kind.

    Raises:
        ValueError: when no model renders it.
    """
    rendering = KINDS[kind].rendering
    if rendering is None:
        raise ValueError(f"no model renders a job of the kind {kind}")
    return rendering


def spec_from_json(kind: str, values: dict[str, Any]) -> Spec:
    """The spec of a job of that kind, which `core.specs.spec_to_json` wrote."""
    return spec_from_values(KINDS[kind].spec, values)


def record_from_json(kind: str, values: dict[str, Any] | None) -> Record | None:
    """The record of a job of that kind, which `Record.to_json` wrote; None if there is none."""
    result = KINDS[kind].result
    if values is None or not isinstance(result, RecordResult):
        return None
    return result.type.from_json(values)
