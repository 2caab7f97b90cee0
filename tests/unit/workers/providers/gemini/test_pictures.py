"""What the answer of `generate_content` comes to, and how its tokens are counted."""

import base64
from typing import Any

import pytest
from google.genai.types import GenerateContentResponse

from core.errors import Reason
from core.jobs import CostState
from workers.providers import ProviderFailed
from workers.providers.gemini.pictures import read_picture
from workers.providers.gemini.usage import content_tokens, interaction_tokens
from workers.providers.kept import Result

USED = {
    "promptTokenCount": 9,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
    "thoughtsTokenCount": 50,
}
MADE = {
    **USED,
    "candidatesTokenCount": 1129,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}


def image(data: bytes, **values: Any) -> dict[str, Any]:
    inline = {"mimeType": "image/png", "data": base64.b64encode(data).decode()}
    return {"inlineData": inline, **values}


def answer(*parts: dict[str, Any], finish: str = "STOP", **values: Any) -> GenerateContentResponse:
    candidate: dict[str, Any] = {"finishReason": finish}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    return GenerateContentResponse.model_validate({"candidates": [candidate], **values})


def read(response: GenerateContentResponse, *, has_inputs: bool = False) -> Result | ProviderFailed:
    return read_picture(response, has_inputs=has_inputs, seed=3)


def test_the_last_image_that_is_no_thought_is_the_result() -> None:
    draft, first, last = image(b"draft", thought=True), image(b"first"), image(b"last")
    result = read(answer({"text": "Here."}, first, last, draft))
    assert isinstance(result, Result)
    assert (result.data, result.output.seed) == (b"last", 3)


@pytest.mark.parametrize(
    ("reason", "has_inputs", "phase"),
    [
        ("PROHIBITED_CONTENT", False, "prompt"),
        ("SAFETY", True, "prompt"),
        ("IMAGE_SAFETY", False, "prompt"),
        ("IMAGE_SAFETY", True, "input"),
        ("NEW_REASON", False, "prompt"),
    ],
)
@pytest.mark.filterwarnings("ignore:NEW_REASON is not a valid BlockedReason")
def test_what_is_blocked_before_it_is_made_is_refused_free(
    reason: str, has_inputs: bool, phase: str
) -> None:
    blocked = {"promptFeedback": {"blockReason": reason}, "usageMetadata": USED}
    with pytest.raises(ProviderFailed) as error:
        read(GenerateContentResponse.model_validate(blocked), has_inputs=has_inputs)
    assert error.value.failure.reason is Reason.CONTENT_FILTERED
    assert error.value.failure.metadata == {"phase": phase, "code": reason}
    assert error.value.cost is CostState.RELEASED


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        *((name, Reason.CONTENT_FILTERED) for name in ("SAFETY", "IMAGE_SAFETY", "RECITATION")),
        *((name, Reason.CONTENT_FILTERED) for name in ("IMAGE_PROHIBITED_CONTENT", "SPII")),
        ("PUP_LIMITED_DISABLED", Reason.PROVIDER_AUTH_FAILED),
        *((name, Reason.RESULT_INVALID) for name in ("NO_IMAGE", "IMAGE_OTHER", "MAX_TOKENS")),
        *((name, Reason.RESULT_INVALID) for name in ("STOP", "CONTINUATION", "OTHER")),
    ],
)
def test_an_answer_without_an_image_says_why_and_costs_what_was_made(
    finish: str, reason: Reason
) -> None:
    for used, cost in ((USED, CostState.RELEASED), (MADE, CostState.CHARGED)):
        result = read(answer(finish=finish, usageMetadata=used))
        assert isinstance(result, ProviderFailed)
        assert (result.failure.reason, result.cost) == (reason, cost)
        assert result.failure.metadata.get("code", finish) == finish


def test_without_usage_only_a_filter_is_surely_free() -> None:
    costs = [read(answer(finish=finish)) for finish in ("IMAGE_SAFETY", "NO_IMAGE")]
    assert [error.cost for error in costs if isinstance(error, ProviderFailed)] == [
        CostState.RELEASED,
        CostState.UNCERTAIN,
    ]


def test_an_empty_answer_breaks_nothing() -> None:
    result = read(GenerateContentResponse.model_validate({}))
    assert isinstance(result, ProviderFailed)
    assert result.failure.reason is Reason.RESULT_INVALID


def test_text_that_is_not_listed_beside_an_image_is_counted() -> None:
    usage = answer(usageMetadata=MADE).usage_metadata
    assert content_tokens(usage) == {"text_input": 9, "image_output": 1120, "text_output": 59}


def test_what_has_no_name_in_a_price_list_is_none_of_the_named() -> None:
    usage = {
        "total_output_tokens": 7,
        "input_tokens_by_modality": [
            {"modality": "video", "tokens": 5},
            {"modality": "document", "tokens": 2},
        ],
    }
    tokens = interaction_tokens({"usage": usage})
    assert tokens == {"image_input": 5, "other_input": 2, "other_output": 7}
