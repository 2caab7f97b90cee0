from typing import Any

import pytest

from core.errors import Reason
from core.jobs import CostState
from tests.fakes.vertex import FILTERED_INPUT, FILTERED_OUTPUT, FILTERED_PROMPT
from workers.providers import ProviderFailed
from workers.providers.vertex.operations import Finished, Video, read_operation

OPERATION = "projects/p/locations/l/publishers/google/models/m/operations/4a45"


def finished(**response: Any) -> Finished | None:
    return read_operation({"done": True, "response": response}, OPERATION)


def failed(values: dict[str, Any]) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as error:
        read_operation({"done": True, **values}, OPERATION)
    return error.value


@pytest.mark.parametrize("values", [{}, {"done": False}, {"metadata": {}}])
def test_what_is_not_done_runs(values: dict[str, Any]) -> None:
    assert read_operation({"name": OPERATION, **values}, OPERATION) is None


def test_videos_come_inline_or_as_objects_in_their_order() -> None:
    videos = [{"bytesBase64Encoded": ""}, {"gcsUri": "gs://b/x.mp4", "mimeType": "video/mp4"}]
    assert finished(videos=videos) == Finished((Video(""), Video("gs://b/x.mp4")))


def test_fewer_videos_than_were_asked_for_say_why() -> None:
    reason = FILTERED_OUTPUT.format(1)
    made = finished(
        videos=[{"gcsUri": "gs://b/x.mp4"}],
        raiMediaFilteredCount=1,
        raiMediaFilteredReasons=[reason],
    )
    assert made == Finished((Video("gs://b/x.mp4"),), (reason,))


@pytest.mark.parametrize(
    ("reason", "phase", "codes"),
    [
        (FILTERED_OUTPUT.format(2), "output", "42237218"),
        (FILTERED_PROMPT, "prompt", "29310472"),
        (FILTERED_INPUT, "input", "15236754"),
        ("58061214", "output", None),
        ("The prompt couldn't be submitted.", "prompt", None),
        ("Blocked. Support codes: 61493863, 56562880", "output", "56562880,61493863"),
    ],
)
def test_no_video_but_a_reason_is_filtered_and_free(
    reason: str, phase: str, codes: str | None
) -> None:
    response = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [reason]}
    error = failed({"response": response})
    assert error.failure.reason is Reason.CONTENT_FILTERED
    assert error.cost is CostState.RELEASED
    assert error.failure.metadata.get("phase") == phase
    assert error.failure.metadata.get("support_codes") == codes


def test_a_count_without_a_reason_is_filtered_too() -> None:
    error = failed({"response": {"raiMediaFilteredCount": "2"}})
    assert error.failure.metadata == {"phase": "output"}


@pytest.mark.parametrize("values", [{}, {"response": {}}, {"response": {"videos": []}}])
def test_done_with_nothing_is_a_failure_whose_cost_nobody_knows(values: dict[str, Any]) -> None:
    error = failed(values)
    assert error.failure.reason is Reason.PROVIDER_UNAVAILABLE
    assert error.cost is CostState.UNCERTAIN
