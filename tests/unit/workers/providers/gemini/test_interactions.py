"""What an interaction's answer comes to."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import Reason
from core.jobs import CostState
from workers.providers import Done, Pending, ProviderFailed
from workers.providers.gemini.interactions import Video, cancelled_cost, find_video, judge

URI = "https://generativelanguage.googleapis.com/v1beta/files/abc123:download?alt=media"
VIDEO = {"type": "video", "mime_type": "video/mp4", "uri": URI}
TEXT = {"type": "text", "text": "I would rather not."}
MADE = {"output_tokens_by_modality": [{"modality": "video", "tokens": 57_920}]}
SAID = {"output_tokens_by_modality": [{"modality": "text", "tokens": 30}]}


def price(tokens: Mapping[str, int]) -> int | None:
    """A hundredth of a micro-unit for each token of video."""
    return tokens.get("video_output", 0) // 100 or None


def completed(*content: dict[str, Any], **values: Any) -> dict[str, Any]:
    steps = [
        {"type": "user_input", "content": [{"type": "video", "data": "0"}]},
        {"type": "thought", "signature": "c2lnbmVk"},
        {"type": "model_output", "content": list(content)},
    ]
    return {"id": "v1_x", "status": "completed", "steps": steps, **values}


def failed(interaction: dict[str, Any]) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as error:
        judge(interaction, "v1_x", price)
    return error.value


@pytest.mark.parametrize(
    "status", ["queued", "in_progress", "requires_continuation", "paused", "", None]
)
def test_what_has_not_ended_is_asked_again(status: str | None) -> None:
    assert judge({"status": status}, "v1_x", price) == Pending()


def test_what_is_completed_is_done_at_the_price_of_its_tokens() -> None:
    assert judge(completed(VIDEO, usage=MADE), "v1_x", price) == Done(579)
    assert judge(completed(VIDEO), "v1_x", price) == Done(None)


ENDS = [
    ("failed", Reason.PROVIDER_REJECTED),
    ("cancelled", Reason.PROVIDER_OPERATION_LOST),
    ("incomplete", Reason.RESULT_INVALID),
    ("budget_exceeded", Reason.PROVIDER_QUOTA_EXHAUSTED),
    ("requires_action", Reason.PROVIDER_REJECTED),
]


@pytest.mark.parametrize(("status", "reason"), ENDS)
def test_another_end_has_its_reason_and_the_usage_tells_its_cost(
    status: str, reason: Reason
) -> None:
    error = failed({"status": status})
    assert error.failure.reason is reason
    assert error.cost is (CostState.RELEASED if status == "cancelled" else CostState.UNCERTAIN)
    assert failed({"status": status, "usage": SAID}).cost is CostState.RELEASED
    error = failed({"status": status, "usage": MADE})
    assert (error.cost, error.charged_micros) == (CostState.CHARGED, 579)


@pytest.mark.parametrize(
    "ending",
    [
        {"errors": [{"code": "SAFETY", "message": "It repeats the prompt."}]},
        {"errors": [{"code": "https://ai.google.dev/errors/prohibited_content"}]},
        {"error": {"code": "internal", "status": "PROHIBITED_CONTENT"}},
    ],
)
def test_a_failure_by_a_filter_is_free_and_names_its_phase(ending: dict[str, Any]) -> None:
    error = failed({"status": "failed", **ending})
    if "error" in ending:
        # The first of its codes counts.
        assert error.failure.metadata == {"code": "internal"}
        return
    assert error.failure.reason is Reason.CONTENT_FILTERED
    assert error.failure.metadata["phase"] == "output"
    assert error.cost is CostState.RELEASED


def test_a_failure_has_the_short_code_and_never_the_message() -> None:
    errors = [{"code": "internal", "message": "about a lighthouse"}]
    error = failed({"status": "failed", "errors": errors})
    assert error.failure.metadata == {"code": "internal"}
    assert "lighthouse" not in repr(error.failure)


def test_text_in_place_of_a_video_is_a_refusal_that_is_free() -> None:
    error = failed(completed(TEXT, usage=SAID))
    assert error.failure.reason is Reason.CONTENT_FILTERED
    assert error.failure.metadata["phase"] == "output"
    assert error.cost is CostState.RELEASED


def test_a_video_that_was_made_and_is_not_there_is_charged() -> None:
    odd = {"type": "video_v2", "url": "https://example.invalid/x"}
    error = failed(completed(odd, usage=MADE))
    assert error.failure.reason is Reason.RESULT_INVALID
    assert error.cost is CostState.CHARGED


@pytest.mark.parametrize("steps", [None, [], "odd", [None], [{"type": "model_output"}]])
def test_an_answer_of_another_shape_breaks_nothing(steps: Any) -> None:
    error = failed({"status": "completed", "steps": steps, "errors": "odd", "usage": "odd"})
    assert error.failure.reason is Reason.CONTENT_FILTERED


def test_the_last_video_of_the_model_is_the_result_and_no_input_is() -> None:
    other = {"type": "video", "data": "1"}
    assert find_video(completed(other, TEXT, VIDEO), price) == Video(file_id="abc123")
    assert find_video(completed(VIDEO, other), price) == Video(number=1)


@pytest.mark.parametrize(
    "uri",
    [
        "http://generativelanguage.googleapis.com/v1beta/files/abc",
        "https://generativelanguage.googleapis.com.example.org/v1/files/abc",
        "https://generativelanguage.googleapis.com@example.org/v1/files/abc",
        "https://generativelanguage.googleapis.com:8443/v1/files/abc",
        "https://generativelanguage.googleapis.com/v1/files/../models",
        "https://generativelanguage.googleapis.com/v1/other/abc",
        "https://storage.googleapis.com/bucket/abc",
        "gs://bucket/abc",
        "files/abc",
        "https://[broken",
    ],
)
def test_an_address_that_is_no_file_of_the_api_is_never_followed(uri: str) -> None:
    error = failed(completed({**VIDEO, "uri": uri}))
    assert error.failure.reason is Reason.RESULT_INVALID
    assert error.cost is CostState.CHARGED
    assert uri not in repr(error.failure)


@pytest.mark.parametrize(
    ("answer", "cost"),
    [
        ({"status": "cancelled"}, CostState.RELEASED),
        ({"status": "cancelled", "usage": SAID}, CostState.RELEASED),
        # It came too late.
        ({"status": "cancelled", "usage": MADE}, CostState.CHARGED),
        ({"status": "completed"}, CostState.CHARGED),
        ({"status": "in_progress"}, CostState.UNCERTAIN),
        ({"status": "failed"}, CostState.UNCERTAIN),
        ({}, CostState.UNCERTAIN),
    ],
)
def test_a_cancel_is_free_only_when_the_answer_says_so(
    answer: dict[str, Any], cost: CostState
) -> None:
    assert cancelled_cost(answer) is cost
