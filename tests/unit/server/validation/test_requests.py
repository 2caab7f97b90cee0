"""Defaults that validation fills in, and what it coerces. What it refuses is in tests/rpc."""

from typing import Any

import pytest

from core.catalog.models import read_catalog
from core.catalog.prompts import read_prompts
from core.errors import CapabilityUnsupported, FieldInvalid
from core.ids import new_id
from core.process.settings import read_settings
from core.specs import ImageSpec, VideoSpec
from rushes.v1 import job_pb2, model_pb2
from rushes.v1 import media_service_pb2 as pb
from server.validation import Validator

VALIDATOR = Validator(read_settings(max_page_size=100), read_catalog(None), read_prompts(None))


def video(**fields: Any) -> VideoSpec:
    spec = job_pb2.VideoSpec(**{"prompt": "waves", **fields})
    found = VALIDATOR.generate_video(pb.GenerateVideoRequest(spec=spec)).spec
    assert isinstance(found, VideoSpec)
    return found


def image(**fields: Any) -> ImageSpec:
    spec = job_pb2.ImageSpec(**{"prompt": "boat", **fields})
    found = VALIDATOR.generate_image(pb.GenerateImageRequest(spec=spec)).spec
    assert isinstance(found, ImageSpec)
    return found


def test_a_video_of_only_a_prompt_gets_the_model_s_defaults() -> None:
    assert video() == VideoSpec(
        prompt="waves",
        model="builtin-video",
        duration_ms=5000,
        aspect_ratio="16:9",
        resolution="720p",
    )


def test_a_quality_picks_the_model_and_is_kept() -> None:
    found = video(quality=model_pb2.Model.HIGH)
    assert (found.model, found.quality) == ("builtin-video", "HIGH")


def test_a_prompt_is_kept_to_the_letter() -> None:
    assert video(prompt="  two\n\twords ").prompt == "  two\n\twords "


def test_a_first_frame_may_stand_for_the_prompt() -> None:
    frame = job_pb2.MediaInput(media_id=new_id())
    assert video(prompt="", first_frame=frame).first_frame == frame.media_id


def test_a_seed_of_zero_is_a_seed() -> None:
    assert video(seed=0).seed == 0
    assert video().seed is None


@pytest.mark.parametrize(
    ("fields", "ratio", "size"),
    [
        ({}, "1:1", "1024x1024"),
        ({"aspect_ratio": "16:9"}, "16:9", "1024x576"),
        ({"aspect_ratio": "3:4"}, "3:4", "768x1024"),
        ({"size": "600x1000"}, "3:5", "600x1000"),
        ({"size": "1366x768", "aspect_ratio": "16:9"}, "16:9", "1366x768"),
        ({"size": "256x2048"}, "1:8", "256x2048"),
    ],
)
def test_ratio_and_size_of_an_image_follow_from_each_other(
    fields: dict[str, str], ratio: str, size: str
) -> None:
    found = image(**fields)
    assert (found.aspect_ratio, found.size) == (ratio, size)


def test_inline_bytes_get_an_id_and_stay_out_of_the_spec() -> None:
    spec = job_pb2.ImageSpec(prompt="boat")
    spec.references.add(content=b"abc")
    spec.mask.content = b"def"
    asked = VALIDATOR.generate_image(pb.GenerateImageRequest(spec=spec))
    assert [(item.field, item.content) for item in asked.inline] == [
        ("spec.references[0].content", b"abc"),
        ("spec.mask.content", b"def"),
    ]
    assert isinstance(asked.spec, ImageSpec)
    assert asked.spec.references == (asked.inline[0].media_id,)
    assert asked.spec.mask == asked.inline[1].media_id


def test_inline_bytes_are_counted_together() -> None:
    spec = job_pb2.ImageSpec(prompt="boat")
    for _ in range(2):
        spec.references.add(content=b"x" * (1024 * 1024 + 1))
    with pytest.raises(FieldInvalid) as caught:
        VALIDATOR.generate_image(pb.GenerateImageRequest(spec=spec))
    assert [v.field for v in caught.value.violations] == ["spec.references[1].content"]


def test_a_wrong_form_outweighs_a_lacking_ability() -> None:
    with pytest.raises(FieldInvalid) as caught:
        video(audio=True, output_count=-1)
    assert [v.field for v in caught.value.violations] == ["spec.output_count"]


def test_everything_that_a_model_lacks_is_named_at_once() -> None:
    with pytest.raises(CapabilityUnsupported) as caught:
        video(audio=True, last_frame={"media_id": new_id()}, resolution="2160p")
    fields = {violation.field for violation in caught.value.violations}
    assert fields == {"spec.audio", "spec.last_frame", "spec.resolution"}


def test_pages_have_a_usual_and_a_largest_size() -> None:
    sizes = [
        VALIDATOR.list_jobs(pb.ListJobsRequest(page_size=size)).page_size
        for size in (0, 7, 100, 5000)
    ]
    assert sizes == [50, 7, 100, 100]


def test_times_are_coerced_into_what_is_allowed() -> None:
    job_id = new_id()
    waits = [
        VALIDATOR.get_job(pb.GetJobRequest(job_id=job_id, wait={"seconds": s}))[1]
        for s in (0, 3, 10**9)
    ]
    assert waits == [0, 3000, 50_000]
    ttls = [
        VALIDATOR.get_media(pb.GetMediaRequest(media_id=job_id, url_ttl={"seconds": s}))[1]
        for s in (0, 60, 10**9)
    ]
    assert ttls == [1, 60, 24 * 3600]
    watch = VALIDATOR.watch_jobs(
        pb.WatchJobsRequest(checkpoint_interval={"nanos": 1}, recent={"seconds": 5})
    )
    assert (watch.checkpoint_ms, watch.progress_ms, watch.recent_ms) == (1000, 250, 5000)
    assert VALIDATOR.watch_jobs(pb.WatchJobsRequest()).checkpoint_ms == 15_000


def test_label_filters_split_at_the_first_equals_sign() -> None:
    wanted = VALIDATOR.list_jobs(pb.ListJobsRequest(labels=["a=1=2", "b=x", "b=x"]))
    assert wanted.labels == {"a": "1=2", "b": "x"}


def test_an_estimate_prices_each_named_model() -> None:
    request = pb.EstimateCostRequest(
        video={"prompt": "x", "audio": True, "duration": {"seconds": 60}},
        models=["builtin-video", "builtin-video"],
    )
    candidates = VALIDATOR.estimate_cost(request)
    assert [c.unsupported_fields for c in candidates] == [("audio", "duration")] * 2
