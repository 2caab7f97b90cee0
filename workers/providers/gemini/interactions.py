"""Interactions as the API answers them (`GET /v1/interactions/{id}`) and `AnswerReader` keeps them:
plain JSON, with numbers in the place of data.

The form of a blocked interaction is not documented. Others saw in 2026: if the model refuses, the
interaction is `completed` with text in place of a video and without video tokens; if the service
refuses the request, it answers 400.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from core.jobs import CostState, JobFailure
from workers.providers import Done, Pending, ProviderFailed
from workers.providers.gemini.errors import (
    NAME,
    filtered,
    is_filter,
    lost,
    no_result,
    rejected,
)
from workers.providers.gemini.usage import Charge, interaction_tokens, result_tokens
from workers.providers.http.transport import quota_exhausted

log = structlog.get_logger()

Interaction = dict[str, Any]
# The field with the bytes of an input, or of a result that came inside the answer.
DATA = "data"
GOOGLE = "https://generativelanguage.googleapis.com"
# With background=True the service goes on by itself. Another POST of ours would be paid again.
_RUNNING = ("queued", "in_progress", "requires_continuation")
# The address of a file. Only its id is used; the address is never followed.
_FILE = re.compile(
    re.escape(GOOGLE) + r"/v1[a-z0-9]*/files/([A-Za-z0-9_-]{1,100})(?::download)?(?:\?.*)?"
)
_WORD = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Video:
    """Where the result is: a file of the API with that id, or the data of that number in the answer
    itself."""

    file_id: str = ""
    number: int = -1


def judge(interaction: Interaction, operation: str, charge: Charge) -> Pending | Done:
    """How far the interaction is, and its cost.

    Raises:
        ProviderFailed: when it ended without a video.
    """
    status = str(interaction.get("status", ""))
    if status in _RUNNING:
        return Pending()
    if status == "completed":
        find_video(interaction, charge)
        return Done(charge(interaction_tokens(interaction)))
    failure = _ended(interaction, status, operation)
    if failure is None:
        # A newer service may have more statuses. The deadline of the job ends the wait.
        name = status if _WORD.fullmatch(status) else "?"
        log.warning("interaction_status_unknown", status=name)
        return Pending()
    raise _failed(interaction, failure, charge)


def find_video(interaction: Interaction, charge: Charge) -> Video:
    """The video of a completed interaction.

    Raises:
        ProviderFailed: when it has no video that can be fetched.
    """
    for content in _contents(interaction):
        if content.get("type") == "video":
            return _video(content)
    if _video_tokens(interaction):
        # The video was made, but it is in a place that is not known here.
        failure = no_result(f"{NAME} made a video, and did not say where it is.")
    else:
        failure = filtered("output", _error_code(interaction))
    raise _failed(interaction, failure, charge)


def cancelled_cost(interaction: Interaction) -> CostState:
    """The cost of an interaction after a cancel."""
    status = interaction.get("status")
    if status == "cancelled":
        return CostState.CHARGED if _video_tokens(interaction) else CostState.RELEASED
    return CostState.CHARGED if status == "completed" else CostState.UNCERTAIN


def _failed(interaction: Interaction, failure: JobFailure, charge: Charge) -> ProviderFailed:
    """Google charges a video that was made, and does not charge one that a filter or a cancel held
    back. In other cases only the usage tells."""
    tokens = _video_tokens(interaction)
    if tokens:
        return ProviderFailed(failure, CostState.CHARGED, charge(interaction_tokens(interaction)))
    stopped = "phase" in failure.metadata or interaction.get("status") == "cancelled"
    free = stopped or tokens == 0
    return ProviderFailed(failure, CostState.RELEASED if free else CostState.UNCERTAIN)


def _video_tokens(interaction: Interaction) -> int | None:
    return result_tokens(interaction_tokens(interaction), "video")


def _ended(interaction: Interaction, status: str, operation: str) -> JobFailure | None:
    """The failure of an interaction that ended uncompleted; None for an unknown status."""
    code = _error_code(interaction)
    if status == "failed":
        if is_filter(code):
            return filtered("output", code)
        return rejected(f"{NAME} failed to make the video.", code)
    if status == "cancelled":
        return lost(operation)
    if status == "budget_exceeded":
        return quota_exhausted(NAME, status)
    if status == "incomplete":
        return no_result(f"{NAME} stopped before the video was whole.", status)
    if status == "requires_action":
        # Our requests have no tools, so it can not wait for the result of one.
        return rejected(f"{NAME} waits for something that it was not offered.", status)
    return None


def _contents(interaction: Interaction) -> Iterator[dict[str, Any]]:
    """The outputs of the model, the last first."""
    steps = interaction.get("steps")
    for step in reversed(steps if isinstance(steps, list) else []):
        if isinstance(step, dict) and step.get("type") == "model_output":
            contents = step.get("content")
            for content in reversed(contents if isinstance(contents, list) else []):
                if isinstance(content, dict):
                    yield content


def _video(content: dict[str, Any]) -> Video:
    data, uri = content.get(DATA), content.get("uri")
    if isinstance(data, str) and data.isdecimal():
        return Video(number=int(data))
    found = _FILE.fullmatch(uri) if isinstance(uri, str) else None
    if not found:
        failure = no_result(f"{NAME} named a place for the video that is none of its own.")
        raise ProviderFailed(failure, CostState.CHARGED)
    return Video(file_id=found[1])


def _error_code(interaction: Interaction) -> str:
    """The last part of the code of the first error; a code is an address or a word."""
    listed = interaction.get("errors") or [interaction.get("error")]
    for error in listed if isinstance(listed, list) else []:
        if isinstance(error, dict):
            code = str(error.get("code") or error.get("status") or "").rpartition("/")[2]
            if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", code):
                return code
    return ""
