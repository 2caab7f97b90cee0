"""From the answer of the Image API to results that can be kept, and to its token counts."""

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.errors import Reason
from core.jobs import CostState, JobFailure
from workers.providers import Output, ProviderFailed
from workers.providers.kept import Result

if TYPE_CHECKING:
    from openai.types import Image, ImagesResponse


def read_results(answer: "ImagesResponse", outputs: int) -> list[Result | ProviderFailed]:
    """One entry for each output that the job asked for. The answer is paid, whatever it holds."""
    found = [_result(image) for image in (answer.data or [])[:outputs]]
    missing = "OpenAI's answer has fewer images than were asked for."
    return found + [unusable(missing)] * (outputs - len(found))


def read_tokens(answer: "ImagesResponse") -> dict[str, int]:
    """The token counts, by the names of the catalog. Empty if the answer does not have all of
    them."""
    usage = answer.usage.to_dict() if answer.usage else {}
    inputs, outputs = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    if outputs is None:
        # Older models give one count for their output, which is images only.
        outputs = {"image_tokens": usage.get("output_tokens"), "text_tokens": 0}
    tokens = {
        "text_input": _count(inputs, "text_tokens"),
        "image_input": _count(inputs, "image_tokens"),
        "text_output": _count(outputs, "text_tokens"),
        "image_output": _count(outputs, "image_tokens"),
    }
    known = {kind: count for kind, count in tokens.items() if count is not None}
    return known if len(known) == len(tokens) else {}


def unusable(message: str) -> ProviderFailed:
    """The failure of an output that is paid and is no image."""
    failure = JobFailure(reason=Reason.RESULT_INVALID, message=message)
    return ProviderFailed(failure, CostState.CHARGED)


def _result(image: "Image") -> Result | ProviderFailed:
    try:
        data = base64.b64decode(image.b64_json or "", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        return unusable("OpenAI's answer has no image where one was asked for.")
    return Result(data, Output(revised_prompt=image.revised_prompt or ""))


def _count(details: Any, name: str) -> int | None:
    count = details.get(name) if isinstance(details, Mapping) else None
    return count if isinstance(count, int) and count >= 0 else None
