"""What costs little is checked first: bytes are decoded for a request that nothing else refuses.

Each request brings bytes that are no picture. A server that decoded them first would say so.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from core.money import MICROS
from core.store import budgets
from core.store.budgets import EACH_USER, Period
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from server.validation.specs import MAX_REFERENCES
from tests.house import Caller, House
from tests.rpc.paid import write_models
from tests.rpc.requests import store_picture

NO_PICTURE = b"\x89PNG\r\n\x1a\nno picture"
StartHouse = Callable[..., House]


def broken(model: str = "", **options: Any) -> pb.GenerateVideoRequest:
    """A request for a video from bytes that are no picture."""
    spec = job_pb2.VideoSpec(prompt="waves", model=model)
    spec.first_frame.content = NO_PICTURE
    return pb.GenerateVideoRequest(spec=spec, options=pb.JobOptions(**options))


def refused(alice: Caller, request: pb.GenerateVideoRequest) -> str:
    return alice.refused("GenerateVideo", request).reason


def test_bytes_that_nothing_else_refuses_are_decoded(start: StartHouse) -> None:
    assert refused(start().caller("alice"), broken()) == "INPUT_MEDIA_INVALID"


@pytest.mark.parametrize("validate_only", [False, True])
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("no-such-model", "FIELD_INVALID"),
        ("simulator-video", "PROVIDER_NOT_CONFIGURED"),
    ],
)
def test_a_model_that_can_t_run_is_refused_first(
    start: StartHouse, model: str, reason: str, validate_only: bool
) -> None:
    alice = start().caller("alice")

    assert refused(alice, broken(model, validate_only=validate_only)) == reason


@pytest.mark.parametrize("validate_only", [False, True])
def test_a_price_above_the_caller_s_limit_is_refused_first(
    start: StartHouse, tmp_path: Path, validate_only: bool
) -> None:
    alice = start(models_file=write_models(tmp_path)).caller("alice")
    request = broken(validate_only=validate_only)
    request.options.max_cost.currency_code = "USD"
    request.options.max_cost.nanos = 10_000_000

    assert refused(alice, request) == "COST_ABOVE_LIMIT"


@pytest.mark.parametrize("validate_only", [False, True])
def test_a_budget_that_is_used_up_is_refused_first(
    start: StartHouse, tmp_path: Path, validate_only: bool
) -> None:
    house = start(models_file=write_models(tmp_path))
    budgets.set_limit(house.db, EACH_USER, Period.DAY, MICROS // 10)

    assert refused(house.caller("alice"), broken(validate_only=validate_only)) == "BUDGET_EXCEEDED"


@pytest.mark.parametrize("validate_only", [False, True])
def test_a_full_queue_is_refused_first(start: StartHouse, validate_only: bool) -> None:
    alice = start(max_queued_jobs=1).caller("alice")
    alice.call("GenerateVideo", pb.GenerateVideoRequest(spec=job_pb2.VideoSpec(prompt="waves")))

    assert refused(alice, broken(validate_only=validate_only)) == "QUEUE_FULL"


def test_a_full_disk_is_refused_first(start: StartHouse) -> None:
    assert refused(start(min_free_megabytes=10**9).caller("alice"), broken()) == "STORAGE_FULL"


def test_an_item_of_another_user_is_refused_first(start: StartHouse) -> None:
    house = start()
    theirs = store_picture(house.caller("bob"))
    spec = job_pb2.ImageSpec(prompt="a boat")
    spec.references.add(content=NO_PICTURE)
    spec.references.add(media_id=theirs)

    refusal = house.caller("alice").refused("GenerateImage", pb.GenerateImageRequest(spec=spec))

    assert refusal.reason == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize("count", [MAX_REFERENCES + 1, 25_000])
def test_references_are_counted_before_they_are_read(start: StartHouse, count: int) -> None:
    alice = start().caller("alice")
    # Each is wrong by itself; a server that read them would name them.
    spec = job_pb2.ImageSpec(prompt="a boat", references=[job_pb2.MediaInput()] * count)

    made = alice.refused("GenerateImage", pb.GenerateImageRequest(spec=spec))
    priced = alice.refused("EstimateCost", pb.EstimateCostRequest(image=spec))
    each = alice.refused(
        "EstimateCost", pb.EstimateCostRequest(image=spec, models=["builtin"] * 50)
    )

    for refusal in (made, priced, each):
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        [field] = refusal.fields
        assert field.endswith(".references")


def test_an_estimate_for_many_models_reads_the_bytes_once(start: StartHouse) -> None:
    alice = start().caller("alice")
    spec = job_pb2.ImageSpec(prompt="a boat")
    spec.references.add(content=b"x" * 1_000_000)
    names = [model.model for model in alice.call("ListModels", pb.ListModelsRequest()).models]

    answer = alice.call("EstimateCost", pb.EstimateCostRequest(image=spec, models=names))
    spec.references.add(content=b"x" * 2_000_000)
    refusal = alice.refused("EstimateCost", pb.EstimateCostRequest(image=spec, models=names))

    assert len(answer.estimates) == len(names)
    assert refusal.fields == ("image.references[1].content",)
