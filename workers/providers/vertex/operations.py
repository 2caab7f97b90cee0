"""The answer about an operation: not done, failed, filtered, or videos."""

from dataclasses import dataclass
from typing import Any

from workers.providers.vertex import errors


@dataclass(frozen=True, slots=True)
class Video:
    """One result. `uri` is its gs:// object, or empty if its bytes came inline."""

    uri: str


@dataclass(frozen=True, slots=True)
class Finished:
    """An operation with at least one video, in the order of the job's outputs.

    `reasons` says why there are fewer than the job asked for. Filtered videos leave no gap.
    """

    videos: tuple[Video, ...]
    reasons: tuple[str, ...] = ()


def read_operation(values: dict[str, Any], operation: str) -> Finished | None:
    """The videos of the operation; None while it runs.

    Raises:
        ProviderFailed: when it failed, or all of its videos were filtered.
    """
    if not values.get("done"):
        return None
    error = values.get("error")
    if isinstance(error, dict) and error:
        raise errors.operation_failed(_int(error.get("code")), str(error.get("message")), operation)
    response = values.get("response")
    if not isinstance(response, dict):
        response = {}
    videos = tuple(_video(item) for item in response.get("videos") or ())
    reasons = tuple(str(reason) for reason in response.get("raiMediaFilteredReasons") or ())
    if videos:
        return Finished(videos, reasons)
    if reasons or _int(response.get("raiMediaFilteredCount")):
        raise errors.filtered(reasons)
    # It is done and has nothing, so it counts as failed inside.
    raise errors.operation_failed(13, "", operation)


def _video(item: Any) -> Video:
    uri = item.get("gcsUri") if isinstance(item, dict) else None
    return Video(uri if isinstance(uri, str) else "")


def _int(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0
