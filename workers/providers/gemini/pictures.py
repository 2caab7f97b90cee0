"""The answer of `generate_content`, which has the image in it.

A model may put drafts among its thoughts. The last image that is not a thought is the result.
"""

from typing import TYPE_CHECKING

from core.jobs import CostState
from workers.providers import Output, ProviderFailed
from workers.providers.gemini.errors import NAME, auth_failed, filtered, no_result
from workers.providers.gemini.usage import content_tokens, result_tokens
from workers.providers.kept import Result

if TYPE_CHECKING:
    from google.genai.types import Candidate, GenerateContentResponse

_FILTERS = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "ESCALATION",
    }
)
_ACCOUNT = "PUP_LIMITED_DISABLED"


def read_picture(
    answer: "GenerateContentResponse", *, has_inputs: bool, seed: int | None
) -> Result | ProviderFailed:
    """The image, or the failure of an accepted call that made none.

    Raises:
        ProviderFailed: when the prompt or an input was refused, which costs nothing.
    """
    feedback = answer.prompt_feedback
    if not answer.candidates and feedback is not None and feedback.block_reason is not None:
        code = feedback.block_reason.value
        phase = "input" if has_inputs and code == "IMAGE_SAFETY" else "prompt"
        raise ProviderFailed(filtered(phase, code), CostState.RELEASED)
    candidates = answer.candidates or []
    for candidate in candidates:
        data = _image(candidate)
        if data:
            return Result(data, Output(seed=seed))
    finish = candidates[0].finish_reason if candidates else None
    return _no_image(answer, finish.value if finish else "")


def _image(candidate: "Candidate") -> bytes | None:
    parts = (candidate.content.parts if candidate.content else None) or []
    images = [
        part.inline_data.data
        for part in parts
        if not part.thought
        and part.inline_data is not None
        and part.inline_data.data
        and (part.inline_data.mime_type or "").startswith("image/")
    ]
    return images[-1] if images else None


def _no_image(answer: "GenerateContentResponse", code: str) -> ProviderFailed:
    """Google charges the image tokens that were made, and nothing for an image that a filter held
    back. In other cases only the usage tells."""
    tokens = result_tokens(content_tokens(answer.usage_metadata), "image")
    if code in _FILTERS:
        failure = filtered("output", code)
    elif code == _ACCOUNT:
        failure = auth_failed()
    else:
        failure = no_result(f"{NAME} answered without an image.", code)
    if tokens:
        return ProviderFailed(failure, CostState.CHARGED)
    free = tokens == 0 or code in _FILTERS
    return ProviderFailed(failure, CostState.RELEASED if free else CostState.UNCERTAIN)
