"""From a job to the request."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from core.catalog.models import Catalog, Model, read_catalog
from core.errors import Reason
from core.jobs import Job
from tests.fakes import media
from workers.providers import ProviderFailed
from workers.providers.gemini import requests
from workers.providers.gemini.requests import ImagePlan, VideoPlan, plan_request

CATALOG = read_catalog(None)
Make = Callable[..., Job]


def read_input(media_id: str) -> bytes:
    return media.video() if media_id == "clip" else media.image()


def body_of(job: Job, catalog: Catalog = CATALOG) -> dict[str, Any]:
    plan = plan_request(job, catalog, read_input)
    assert isinstance(plan, VideoPlan)
    return plan.body


def sent_prompt(job: Job) -> str:
    text: str = body_of(job)["input"][-1]["text"]
    return text


def picture_of(job: Job) -> ImagePlan:
    plan = plan_request(job, CATALOG, read_input)
    assert isinstance(plan, ImagePlan)
    return plan


def test_a_video_of_text_alone_says_its_form_and_its_task(video_job: Make) -> None:
    assert body_of(video_job(seed=7)) == {
        "model": "gemini-omni-1.2-flash",
        "background": True,
        "input": [{"type": "text", "text": "a lighthouse at night"}],
        "response_format": {
            "type": "video",
            "aspect_ratio": "16:9",
            "resolution": "720p",
            "duration": "8s",
            "delivery": "uri",
        },
        "generation_config": {"video_config": {"task": "text_to_video"}, "seed": 7},
    }


def test_the_final_prompt_is_sent_and_not_what_the_user_wrote(
    video_job: Make, image_job: Make
) -> None:
    assert sent_prompt(video_job("joined")) == "joined"
    assert picture_of(image_job("joined")).contents[0]["parts"][-1] == {"text": "joined"}


def test_a_resolution_is_written_as_google_writes_it(video_job: Make) -> None:
    assert body_of(video_job(resolution="4K"))["response_format"]["resolution"] == "4k"


def test_the_model_goes_by_its_providers_name(video_job: Make) -> None:
    known = CATALOG.get("gemini-omni-1.2-flash")
    assert known is not None
    values = {"provider_model": "gemini-omni-next", "model": "ours"}
    renamed = Model(
        provider="gemini", display_name="x", price_revision="1", video=known.video, **values
    )
    assert body_of(video_job(model="ours"), Catalog([renamed]))["model"] == "gemini-omni-next"
    # A file may have lost a model while its jobs waited.
    assert body_of(video_job(model="gone"))["model"] == "gone"


@pytest.mark.parametrize(
    ("inputs", "task", "prompt"),
    [
        ({"first_frame": "a"}, "image_to_video", "<FIRST_FRAME> sea"),
        (
            {"first_frame": "a", "last_frame": "b"},
            "image_to_video",
            "<FIRST_FRAME> <LAST_FRAME> sea",
        ),
        (
            {"references": ("a", "b")},
            "reference_to_video",
            "[# References <IMAGE_REF_0>@Image1 <IMAGE_REF_1>@Image2] sea"
            " Use the given image(s) as references for video generation."
            " The images should not be used as literal initial frames.",
        ),
        (
            {"first_frame": "a", "references": ("b",)},
            None,
            "[# Sources <FIRST_FRAME>@Image1] [# References <IMAGE_REF_0>@Image2] sea",
        ),
        ({"source_video": "clip"}, "extend", "sea"),
    ],
)
def test_inputs_have_roles_by_tags_and_a_task(
    video_job: Make, inputs: dict[str, Any], task: str | None, prompt: str
) -> None:
    body = body_of(video_job("sea", **inputs))
    config = body.get("generation_config", {}).get("video_config", {})
    assert config.get("task") == task
    assert body["input"][-1]["text"] == prompt


def test_inputs_come_before_the_text_in_the_order_of_their_numbers(video_job: Make) -> None:
    job = video_job(source_video="clip", references=("a",))
    clip, image, text = body_of(job)["input"]
    assert (clip["type"], clip["mime_type"]) == ("video", "video/mp4")
    assert (image["type"], image["mime_type"]) == ("image", "image/png")
    assert base64.b64decode(image["data"]) == media.image()
    assert text["type"] == "text"


def test_a_video_that_goes_on_keeps_its_ratio_and_needs_no_prompt(video_job: Make) -> None:
    body = body_of(video_job("", source_video="clip"))
    assert "aspect_ratio" not in body["response_format"]
    assert body["input"][-1]["text"] == "Continue the scene."


def test_who_writes_tags_by_hand_is_left_alone(video_job: Make) -> None:
    declared = "[# References <IMAGE_REF_0>@Image1] her dog"
    assert sent_prompt(video_job(declared, references=("a",))) == declared
    assert sent_prompt(video_job("<FIRST_FRAME> sea", first_frame="a")) == "<FIRST_FRAME> sea"


def test_an_image_says_its_form_and_is_never_continued(image_job: Make) -> None:
    plan = picture_of(image_job(seed=3))
    assert plan.model == "gemini-3.1-flash-image"
    assert plan.config == {
        "response_modalities": ["TEXT", "IMAGE"],
        "image_config": {"aspect_ratio": "16:9", "image_size": "2K"},
        "automatic_continuation": False,
        "seed": 3,
    }


def test_images_to_edit_come_before_the_text(image_job: Make) -> None:
    [content] = picture_of(image_job(references=("a", "b"))).contents
    first, second, text = content["parts"]
    assert first == second == {"inline_data": {"data": media.image(), "mime_type": "image/png"}}
    assert text == {"text": "a lighthouse at night"}


@pytest.mark.parametrize(("field", "media_id"), [("first_frame", "clip"), ("source_video", "a")])
def test_an_input_of_the_wrong_kind_is_refused_before_it_costs_anything(
    video_job: Make, field: str, media_id: str
) -> None:
    with pytest.raises(ProviderFailed) as error:
        body_of(video_job(**{field: media_id}))
    assert error.value.failure.reason is Reason.INPUT_MEDIA_INVALID


def test_inputs_that_are_too_large_together_are_refused(
    video_job: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_INPUT_BYTES", 3 * len(media.image()) // 2)
    body_of(video_job(first_frame="a"))
    with pytest.raises(ProviderFailed) as error:
        body_of(video_job(first_frame="a", last_frame="b"))
    assert error.value.failure.reason is Reason.INPUT_MEDIA_INVALID
