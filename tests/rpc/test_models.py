"""Models that end, that lack a key, or that can't do everything, as callers see them."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from core.catalog.models import models_path
from core.ids import new_id
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.error_reason_pb2 import ErrorReason
from tests.house import Caller, House, LoopThread, close_house, open_house
from tests.rpc.requests import image, png, video
from tests.rpc.working import worker
from tests.services import Valkey, wait_for

Code = grpc.StatusCode
KEYS = {"gemini_api_key": "k", "vertex_project": "p", "openai_api_key": "k"}
VEO = "veo-3.1-generate-001"
OMNI = "gemini-omni-1.2-flash"
FLARE = "gpt-image-2.5-flare"
Open = Callable[..., House]


@pytest.fixture
def opened(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[Open]:
    """Opens the server of a folder with some settings; the one before it is closed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    houses: list[House] = []

    def close() -> None:
        if houses:
            close_house(house_loop, houses.pop())

    def reopen(**settings: Any) -> House:
        close()
        houses.append(open_house(house_loop, tmp_path / "data", valkey.url, **settings))
        return houses[0]

    yield reopen
    close()
    structlog.reset_defaults()


@pytest.fixture
def keyed(opened: Open) -> House:
    """A server with every key; nothing is sent with them."""
    return opened(**KEYS)


def ending(folder: Path, days: int) -> Path:
    """The packaged models, but that for videos ends in so many days, and the simulator is next."""
    day = (datetime.now(UTC) + timedelta(days=days)).date()
    end = f'[builtin-video]\nshutdown_time = {day}\nreplacement = "simulator-video"'
    path = folder / "models.toml"
    path.write_text(models_path(None).read_text().replace("[builtin-video]", end, 1))
    return path


def small(model: str = "") -> pb.GenerateVideoRequest:
    request = video()
    request.spec.model, request.spec.resolution = model, "360p"
    request.spec.duration.seconds = 1
    return request


def film(model: str, **fields: Any) -> pb.GenerateVideoRequest:
    return pb.GenerateVideoRequest(spec=job_pb2.VideoSpec(prompt="sea", model=model, **fields))


def media() -> dict[str, str]:
    return {"media_id": new_id()}


def listed(caller: Caller) -> dict[str, Any]:
    models = caller.call("ListModels", pb.ListModelsRequest()).models
    return {model.model: model for model in models}


def test_a_model_without_its_key_is_listed_with_what_it_needs(house: House) -> None:
    models = listed(house.caller("alice"))

    assert models["builtin-video"].available
    lacking = {name: models[name].unavailable_reason for name in (OMNI, VEO, FLARE)}
    assert lacking == {
        OMNI: "needs RUSHES_GEMINI_API_KEY",
        VEO: "needs RUSHES_VERTEX_PROJECT",
        FLARE: "needs RUSHES_OPENAI_API_KEY",
    }
    assert not any(models[name].available for name in lacking)
    assert [d.seconds for d in models[VEO].video.durations] == [4, 6, 8]
    assert models[OMNI].video.prices[0].text == "per second at 360p"


def test_with_its_key_it_is_available_and_the_default_stays(keyed: House) -> None:
    alice = keyed.caller("alice")
    models = listed(alice)
    assert all(models[name].available for name in (OMNI, VEO, FLARE))
    assert alice.call("GenerateVideo", video()).job.model == "builtin-video"


def test_a_model_of_the_predecessors_is_listed_as_retired(keyed: House) -> None:
    model = listed(keyed.caller("alice"))["dall-e-3"]
    assert model.shutdown_time.ToDatetime().date().isoformat() == "2026-05-12"
    assert model.replacement == FLARE
    assert not model.available
    assert model.unavailable_reason == f"retired on 2026-05-12; use {FLARE}"


@pytest.mark.parametrize("fields", [{}, {"size": "512x512"}, {"seed": 7, "mood": "calm"}])
def test_a_retired_model_is_refused_with_its_replacement_whatever_else_is_asked(
    keyed: House, fields: dict[str, Any]
) -> None:
    request = image(model="dall-e-3", **fields)
    refusal = keyed.caller("alice").refused("GenerateImage", request)
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "MODEL_RETIRED")
    assert refusal.metadata == {"model": "dall-e-3", "replacement": FLARE}
    assert set(keyed.count_rows().values()) == {0}


def test_each_model_is_priced_or_says_in_its_place_why_it_is_not(house: House) -> None:
    # Given models that are fine, retired, unknown, for videos, without a key, and without a price
    models = ["builtin-image", "dall-e-3", "gpt-image-9", VEO, FLARE, "gpt-image-2.6-flare"]
    request = pb.EstimateCostRequest(image={"prompt": "sea"}, models=models)

    found = house.caller("alice").call("EstimateCost", request).estimates

    # Then each answers for itself
    assert [estimate.model for estimate in found] == models
    fine, retired, unknown, video, keyless, unpriced = found
    assert fine.affordable
    assert not fine.HasField("error")
    assert reason_of(retired) == "MODEL_RETIRED"
    assert retired.error.message == f"dall-e-3 was retired on 2026-05-12; use {FLARE}."
    assert dict(retired.error.metadata) == {"model": "dall-e-3", "replacement": FLARE}
    assert reason_of(unknown) == "FIELD_INVALID"
    assert unknown.error.message.startswith("models[2]: unknown model; available: builtin-image")
    assert reason_of(video) == "MODEL_CAPABILITY_UNSUPPORTED"
    assert dict(video.error.metadata)["supported"] == "video"
    assert reason_of(unpriced) == "PRICE_UNKNOWN"
    assert dict(unpriced.error.metadata) == {"model": "gpt-image-2.6-flare"}
    # And only what lacks its key has a price all the same
    assert reason_of(keyless) == "PROVIDER_NOT_CONFIGURED"
    assert dict(keyless.error.metadata)["setting"] == "RUSHES_OPENAI_API_KEY"
    assert keyless.cost.nanos == 60_000_000
    for estimate in (retired, unknown, video, unpriced):
        assert not estimate.HasField("cost")
        assert not estimate.HasField("queue")
        assert not estimate.lines
        assert not estimate.affordable


def test_what_is_wrong_for_every_model_refuses_the_whole_estimate(house: House) -> None:
    spec = {"prompt": "sea", "aspect_ratio": "wide"}
    request = pb.EstimateCostRequest(image=spec, models=["gpt-image-9", "builtin-image"])
    refusal = house.caller("alice").refused("EstimateCost", request)
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("image.aspect_ratio",))


@pytest.mark.parametrize(
    ("model", "reason", "fields"),
    [
        ("dall-e-3", "MODEL_RETIRED", ("image.model",)),
        ("gpt-image-9", "FIELD_INVALID", ("image.model",)),
        (VEO, "MODEL_CAPABILITY_UNSUPPORTED", ("image.model",)),
        ("gpt-image-2.6-flare", "PRICE_UNKNOWN", ()),
    ],
)
def test_the_spec_s_own_model_fails_the_estimate_as_it_fails_generate(
    keyed: House, model: str, reason: str, fields: tuple[str, ...]
) -> None:
    alice = keyed.caller("alice")
    request = pb.EstimateCostRequest(image={"prompt": "sea", "model": model})
    refusal = alice.refused("EstimateCost", request)
    assert (refusal.reason, refusal.fields) == (reason, fields)
    assert alice.refused("GenerateImage", image(model=model)).reason == reason


def reason_of(estimate: Any) -> str:
    """Why a model was not priced."""
    return str(ErrorReason.Name(estimate.error.reason))


def test_no_model_is_listed_with_more_outputs_than_a_job_may_have_here(opened: Open) -> None:
    # Given a model of ten outputs, on installations that allow four and one
    for most in (4, 1):
        alice = opened(**KEYS, max_outputs=most).caller("alice")
        models = listed(alice)
        assert models[FLARE].image.max_output_count == most
        assert models["gemini-3-pro-image"].image.max_output_count == 1
        # Then that many are taken, and one more is not
        assert alice.call("GenerateImage", image(model=FLARE, output_count=most)).job.job_id
        more = image(model=FLARE, output_count=most + 1)
        assert alice.refused("GenerateImage", more).fields == ("spec.output_count",)


@pytest.mark.parametrize(("days", "warned"), [(31, False), (29, True)])
def test_in_the_last_thirty_days_every_answer_warns(
    opened: Open, tmp_path: Path, days: int, warned: bool
) -> None:
    # Given a model that ends
    alice = opened(models_file=ending(tmp_path, days), simulator=True).caller("alice")
    request = small()
    request.options.request_id = "r1"

    # When jobs of it are made, checked, found again and retried
    made = alice.call("GenerateVideo", request)
    again = alice.call("GenerateVideo", request)
    request.options.request_id, request.options.validate_only = "", True
    checked = alice.call("GenerateVideo", request)
    alice.call("CancelJob", pb.CancelJobRequest(job_id=made.job.job_id))
    retried = alice.call("RetryJob", pb.RetryJobRequest(job_id=made.job.job_id))
    other = alice.call("GenerateVideo", small("simulator-video"))

    # Then each answer says so
    texts = [list(answer.warnings) for answer in (made, again, checked, retried)]
    assert again.deduplicated
    if not warned:
        assert texts == [[]] * 4
        return
    assert texts == [texts[0]] * 4
    [text] = texts[0]
    assert "builtin-video will be shut down on" in text
    assert "use simulator-video" in text
    # And not those of other models
    assert list(other.warnings) == []


def test_jobs_that_were_accepted_before_the_end_go_on(opened: Open, tmp_path: Path) -> None:
    # Given a job of a model that ends tomorrow, and one that is over
    alice = opened(models_file=ending(tmp_path, 1), simulator=True).caller("alice")
    request = small()
    request.options.request_id = "r1"
    job_id = alice.call("GenerateVideo", request).job.job_id
    over = alice.call("GenerateVideo", small()).job.job_id
    alice.call("CancelJob", pb.CancelJobRequest(job_id=over))

    # When it is the day after
    house = opened(models_file=ending(tmp_path, -1), simulator=True)
    alice = house.caller("alice")

    # Then no new one is made, but the first is found by its request id, and runs
    assert alice.refused("GenerateVideo", small("builtin-video")).reason == "MODEL_RETIRED"
    refusal = alice.refused("RetryJob", pb.RetryJobRequest(job_id=over))
    assert (refusal.reason, refusal.metadata["replacement"]) == ("MODEL_RETIRED", "simulator-video")
    again = alice.call("GenerateVideo", named(request))
    assert (again.deduplicated, again.job.job_id) == (True, job_id)
    assert "was shut down" in again.warnings[0]
    with worker(house):
        wait_for(lambda: state(alice, job_id) == job_pb2.Job.SUCCEEDED, "the video")
    # And a request that names no model gets no model that ended; the simulator is by name only
    assert alice.refused("GenerateVideo", small()).fields == ("spec.model",)


def named(request: pb.GenerateVideoRequest) -> pb.GenerateVideoRequest:
    """The same, as a caller sends it that was told the model."""
    request.spec.model = "builtin-video"
    return request


def state(caller: Caller, job_id: str) -> int:
    return int(caller.call("GetJob", pb.GetJobRequest(job_id=job_id)).job.state)


CANNOT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("negative_prompt", OMNI, "", {"negative_prompt": "blur"}),
    ("audio", OMNI, "", {"audio": False}),
    ("duration", OMNI, "whole seconds, 3 to 10", {"duration": {"seconds": 2}}),
    ("resolution", OMNI, "720p, 360p, 1080p, 4K", {"resolution": "480p"}),
    ("output_count", OMNI, "1 to 1", {"output_count": 2}),
    ("seed", OMNI, "0 to 2147483647", {"seed": 2**31}),
    ("last_frame", OMNI, "last_frame only together with first_frame", {"last_frame": media()}),
    ("references", OMNI, "at most 6", {"references": [media()] * 7}),
    ("aspect_ratio", VEO, "16:9, 9:16", {"aspect_ratio": "1:1"}),
    ("duration", VEO, "4, 6 or 8 s", {"duration": {"seconds": 5}}),
    (
        "duration",
        VEO,
        "8 s with references",
        {"duration": {"seconds": 4}, "references": [media()]},
    ),
    (
        "first_frame",
        VEO,
        "no first_frame with references",
        {"first_frame": media(), "references": [media()]},
    ),
    (
        "resolution",
        VEO,
        "720p, 1080p with source_video",
        {"source_video": media(), "resolution": "4K"},
    ),
    ("quality", VEO, "STANDARD, HIGH", {"quality": "DRAFT"}),
]


@pytest.mark.parametrize(("field", "model", "said", "fields"), CANNOT)
def test_what_a_model_can_not_do_is_refused_with_what_it_can(
    keyed: House, field: str, model: str, said: str, fields: dict[str, Any]
) -> None:
    refusal = keyed.caller("alice").refused("GenerateVideo", film(model, **fields))
    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "MODEL_CAPABILITY_UNSUPPORTED")
    assert refusal.fields == (f"spec.{field}",)
    assert refusal.metadata["supported"] == said
    words = f"supports {said}" if said else "does not support this"
    assert f"spec.{field}: {model} {words}" in refusal.message
    assert set(keyed.count_rows().values()) == {0}


@pytest.mark.parametrize(
    ("model", "fields", "field", "supported"),
    [
        ("gemini-3-pro-image", {"size": "8K"}, "size", "1K, 2K, 4K"),
        ("gemini-3-pro-image", {"size": "1024x1024"}, "size", "1K, 2K, 4K"),
        ("gemini-3-pro-image", {"output_mime_type": "image/png"}, "output_mime_type", ""),
        (FLARE, {"size": "512x512"}, "size", "1024x1024, 1536x1024, 1024x1536"),
        (FLARE, {"size": "2K"}, "size", "1024x1024, 1536x1024, 1024x1536"),
        (FLARE, {"seed": 1}, "seed", ""),
        (FLARE, {"aspect_ratio": "16:9"}, "aspect_ratio", "1:1, 3:2, 2:3"),
    ],
)
def test_sizes_of_images_are_those_of_the_model(
    keyed: House, model: str, fields: dict[str, Any], field: str, supported: str
) -> None:
    refusal = keyed.caller("alice").refused("GenerateImage", image(model=model, **fields))
    assert (refusal.reason, refusal.fields) == ("MODEL_CAPABILITY_UNSUPPORTED", (f"spec.{field}",))
    assert refusal.metadata["supported"] == supported


def test_size_and_ratio_of_an_image_follow_from_each_other(keyed: House) -> None:
    alice = keyed.caller("alice")

    def shape(model: str, **fields: str) -> tuple[str, str]:
        made = alice.call("GenerateImage", image(model=model, **fields)).job.image
        return made.aspect_ratio, made.size

    assert shape(FLARE) == ("1:1", "1024x1024")
    assert shape(FLARE, aspect_ratio="2:3") == ("2:3", "1024x1536")
    assert shape(FLARE, size="1536x1024") == ("3:2", "1536x1024")
    assert shape("gemini-3-pro-image", aspect_ratio="21:9") == ("21:9", "1K")


def test_several_models_are_priced_at_once(keyed: House) -> None:
    spec = job_pb2.VideoSpec(prompt="sea", resolution="1080p", negative_prompt="blur")
    request = pb.EstimateCostRequest(video=spec, models=[VEO, OMNI, "builtin-video"])
    found = keyed.caller("alice").call("EstimateCost", request).estimates

    assert [estimate.model for estimate in found] == [VEO, OMNI, "builtin-video"]
    lines = [[line.text for line in estimate.lines] for estimate in found]
    assert lines == [
        ["8 s, per second at 720p or 1080p with audio"],
        ["8 s, per second at 1080p"],
        ["5 s, free, rendered on this machine"],
    ]
    costs = [(e.cost.units, e.cost.nanos // 10**6) for e in found]
    assert costs == [(3, 200), (1, 216), (0, 0)]
    assert [list(e.unsupported_fields) for e in found] == [[], ["negative_prompt"], []]
    assert all(estimate.affordable for estimate in found)
    assert all(e.lines[0].amount == e.cost for e in found)


def test_an_extended_video_has_the_one_length_that_there_is(keyed: House) -> None:
    spec = job_pb2.VideoSpec(prompt="sea", model=VEO, audio=False, output_count=2)
    spec.source_video.media_id = new_id()
    request = pb.EstimateCostRequest(video=spec)
    [estimate] = keyed.caller("alice").call("EstimateCost", request).estimates
    assert [line.text for line in estimate.lines] == [
        "2 x 7 s, per second at 720p or 1080p without audio"
    ]


def test_an_estimate_says_which_setting_a_model_waits_for(house: House) -> None:
    request = pb.EstimateCostRequest(image={"prompt": "sea"}, models=[FLARE])
    [estimate] = house.caller("alice").call("EstimateCost", request).estimates
    assert estimate.queue.blocked_reason == "the provider openai needs RUSHES_OPENAI_API_KEY"
    assert estimate.error.message == "The provider openai needs RUSHES_OPENAI_API_KEY."
    assert estimate.cost.nanos == 60_000_000


def test_what_is_given_and_a_long_prompt_are_lines_of_the_estimate(keyed: House) -> None:
    # Given references, and a prompt that is longer than a thousand with its template
    spec = {"prompt": "s" * 1000, "mood": "calm", "references": [media()] * 3}
    request = pb.EstimateCostRequest(image=spec, models=[FLARE, "gemini-3-pro-image"])

    found = keyed.caller("alice").call("EstimateCost", request).estimates

    lines = [[(line.text, line.amount.nanos // 1000) for line in e.lines] for e in found]
    prompt = "up to 2,000 characters of prompt"
    assert lines == [
        [
            ("1 image, per image of quality STANDARD, at most", 55_000),
            ("3 inputs", 165_000),
            (prompt, 10_000),
        ],
        [("1 image, per image at 1K or 2K, at most", 160_000), ("3 inputs", 7500), (prompt, 4000)],
    ]
    # And a job is held to the same
    assert [e.cost.nanos // 1000 for e in found] == [230_000, 171_500]
    job = image(model=FLARE, prompt="s" * 1000, mood="calm")
    job.options.max_cost.currency_code, job.options.max_cost.nanos = "USD", 64_999_000
    assert keyed.caller("alice").refused("GenerateImage", job).reason == "COST_ABOVE_LIMIT"
    job.options.max_cost.nanos = 65_000_000
    assert keyed.caller("alice").call("GenerateImage", job).job.cost.estimated.nanos == 65_000_000


def test_a_model_without_a_price_is_not_priced_and_not_run(keyed: House) -> None:
    alice = keyed.caller("alice")
    model = "gpt-image-2.6-flare"
    request = pb.EstimateCostRequest(image={"prompt": "sea"}, models=[model])
    [estimate] = alice.call("EstimateCost", request).estimates
    assert reason_of(estimate) == "PRICE_UNKNOWN"
    assert not estimate.HasField("cost")
    assert not estimate.lines
    assert not estimate.affordable
    refusal = alice.refused("GenerateImage", image(model=model))
    assert (refusal.reason, refusal.metadata) == ("PRICE_UNKNOWN", {"model": model})


def test_inputs_of_a_refused_request_are_not_stored(keyed: House) -> None:
    request = film(OMNI, last_frame={"content": png()})
    assert keyed.caller("alice").refused("GenerateVideo", request).fields == ("spec.last_frame",)
    assert set(keyed.count_rows().values()) == {0}
    assert keyed.blob_files() == []
