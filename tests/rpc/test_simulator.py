"""The simulator's models, where they are offered and where they are not."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rushes.v1 import job_pb2, model_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import Caller, House, LoopThread, close_house, open_house
from tests.rpc.requests import image, video
from tests.services import Valkey


@pytest.fixture
def play_house(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server that offers the simulator."""
    opened = open_house(house_loop, tmp_path / "play", valkey.url, simulator=True)
    yield opened
    close_house(house_loop, opened)


def models(caller: Caller) -> dict[str, model_pb2.Model]:
    return {m.model: m for m in caller.call("ListModels", pb.ListModelsRequest()).models}


def play_video(**options: str) -> pb.GenerateVideoRequest:
    spec = job_pb2.VideoSpec(prompt="sim:slow", model="simulator-video", audio=True)
    return pb.GenerateVideoRequest(spec=spec, options=pb.JobOptions(**options))


def test_a_simulator_that_is_off_is_listed_with_the_setting_it_waits_for(house: House) -> None:
    listed = models(house.caller("alice"))
    assert not listed["simulator-video"].available
    assert listed["simulator-image"].unavailable_reason == "needs RUSHES_SIMULATOR"
    assert listed["builtin-video"].available
    assert listed["builtin-video"].unavailable_reason == ""


@pytest.mark.parametrize("validate_only", [False, True])
def test_a_simulator_that_is_off_makes_no_job(house: House, validate_only: bool) -> None:
    request = play_video()
    request.options.validate_only = validate_only
    refusal = house.caller("alice").refused("GenerateVideo", request)
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "PROVIDER_NOT_CONFIGURED"
    assert refusal.metadata == {"provider": "simulator", "setting": "RUSHES_SIMULATOR"}
    assert house.count_rows()["job"] == 0


def test_a_simulator_that_is_on_is_offered_and_has_a_price(play_house: House) -> None:
    alice = play_house.caller("alice")
    assert models(alice)["simulator-video"].available

    made = alice.call("GenerateVideo", play_video()).job
    assert (made.provider, made.model) == ("simulator", "simulator-video")
    assert made.cost.estimated.nanos == 100_000_000
    picture = image(model="simulator-image", output_count=2)
    priced = alice.call("GenerateImage", picture).job
    assert priced.cost.estimated.nanos == 40_000_000


def test_a_simulator_that_is_on_is_still_not_the_default(play_house: House) -> None:
    request = video()
    request.spec.quality = model_pb2.Model.HIGH
    job = play_house.caller("alice").call("GenerateVideo", request).job
    assert job.model == "builtin-video"


@pytest.mark.parametrize("prompt", ["a boat sim:fitlered", "SIM:SLOWLY sim:slow", "sim:slow-"])
def test_a_misspelt_word_is_refused_before_it_is_charged(play_house: House, prompt: str) -> None:
    alice = play_house.caller("alice")
    wrong = next(word for word in prompt.lower().split() if word not in ("a", "boat", "sim:slow"))

    refusal = alice.refused("GenerateImage", image(prompt, model="simulator-image"))

    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("spec.prompt",))
    said = f"spec.prompt: unknown word {wrong}; after sim: the simulator knows unreachable, "
    assert refusal.message.startswith(said)
    assert refusal.message.endswith(", crash, no-cancel")
    assert set(play_house.count_rows().values()) == {0}
    # And to other models it is a word like any other
    assert alice.call("GenerateImage", image(prompt, model="builtin-image")).job.job_id


def test_a_misspelt_word_is_the_simulator_s_own_error_among_several_models(
    play_house: House,
) -> None:
    spec = {"prompt": "a boat sim:fitlered"}
    models = ["simulator-image", "builtin-image"]
    request = pb.EstimateCostRequest(image=spec, models=models)
    play, free = play_house.caller("alice").call("EstimateCost", request).estimates
    assert "sim:fitlered" in play.error.message
    assert not free.HasField("error")


def test_a_job_of_a_simulator_that_was_turned_off_is_not_repeated(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    play = open_house(house_loop, tmp_path / "data", valkey.url, simulator=True)
    job_id = play.caller("alice").call("GenerateVideo", play_video()).job.job_id
    play.caller("alice").call("CancelJob", pb.CancelJobRequest(job_id=job_id))
    close_house(house_loop, play)

    house = open_house(house_loop, tmp_path / "data", valkey.url)
    refusal = house.caller("alice").refused("RetryJob", pb.RetryJobRequest(job_id=job_id))
    close_house(house_loop, house)
    assert refusal.reason == "PROVIDER_NOT_CONFIGURED"
