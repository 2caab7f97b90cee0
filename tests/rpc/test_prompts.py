"""Prompt templates: what a provider gets of them, as callers see it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, LoopThread, close_house, open_house
from tests.rpc.requests import image
from tests.services import Valkey

PROMPTS = """
[style_packs.ink]
text = "Style: ink on paper."
about = "Ink."
[moods.calm]
text = "Mood: calm."
about = "Calm."
[moods.wild]
text = "Mood: wild."
about = "Wild."
[cinematography.pan]
text = "Camera: pan."
about = "Pan."
"""


@pytest.fixture
def inked(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server with templates of its own and short prompts."""
    prompts = tmp_path / "prompts.toml"
    prompts.write_text(PROMPTS)
    settings: dict[str, Any] = {"prompts_file": prompts, "max_prompt_characters": 40}
    opened = open_house(house_loop, tmp_path / "data", valkey.url, **settings)
    yield opened
    close_house(house_loop, opened)


def film(prompt: str = "a boat", **fields: str) -> pb.GenerateVideoRequest:
    return pb.GenerateVideoRequest(spec=job_pb2.VideoSpec(prompt=prompt, **fields))


def test_a_job_keeps_what_was_asked_and_what_the_provider_gets(house: House) -> None:
    alice = house.caller("alice")
    request = film(style_pack="nature", mood="calm", cinematography="pan")

    job = alice.call("GenerateVideo", request).job

    assert (job.video.prompt, job.video.style_pack) == ("a boat", "nature")
    assert (job.video.mood, job.video.cinematography) == ("calm", "pan")
    assert job.final_prompt == (
        "a boat\n"
        "Style: nature documentary, natural light, true colours, fine detail.\n"
        "Mood: calm, quiet, unhurried.\n"
        "Camera: slow pan from left to right, level horizon."
    )
    assert alice.call("GetJob", pb.GetJobRequest(job_id=job.job_id)).job == job


def test_a_job_without_templates_has_the_caller_s_prompt(house: House) -> None:
    job = house.caller("alice").call("GenerateImage", image(" two\nlines ")).job
    assert job.final_prompt == " two\nlines "


def test_an_unknown_template_is_refused_with_the_known_ones(inked: House) -> None:
    refusal = inked.caller("alice").refused("GenerateVideo", film(mood="sad", style_pack="oil"))
    assert refusal.reason == "FIELD_INVALID"
    assert refusal.fields == ("spec.style_pack", "spec.mood")
    assert "spec.mood: unknown prompt template; available: calm, wild" in refusal.message
    assert set(inked.count_rows().values()) == {0}


def test_a_prompt_is_as_long_as_it_is_with_its_templates(inked: House) -> None:
    alice = inked.caller("alice")
    # Given a prompt that is as long as one may be with a template, and one character more
    longest = "x" * (40 - len("\nMood: calm."))
    assert len(alice.call("GenerateVideo", film(longest, mood="calm")).job.final_prompt) == 40

    refusal = alice.refused("GenerateVideo", film(longest + "x", mood="calm"))
    assert refusal.fields == ("spec.prompt",)
    assert "has 41 characters with its templates; at most 40 are allowed" in refusal.message
    # And one that is too long by itself is said to be so once
    assert alice.refused("GenerateVideo", film("x" * 41, mood="calm")).fields == ("spec.prompt",)


def test_a_retry_gets_the_prompt_of_the_first_job(
    house_loop: LoopThread, valkey: Valkey, inked: House, tmp_path: Path
) -> None:
    # Given a job with templates that the operator takes away afterwards
    alice = inked.caller("alice")
    job = alice.call("GenerateImage", image("a boat", mood="wild")).job
    alice.call("CancelJob", pb.CancelJobRequest(job_id=job.job_id))
    later = open_house(house_loop, tmp_path / "data", valkey.url)

    # When it is retried
    alice = later.caller("alice")
    retried = alice.call("RetryJob", pb.RetryJobRequest(job_id=job.job_id)).job
    close_house(house_loop, later)

    assert retried.final_prompt == job.final_prompt == "a boat\nMood: wild."
    assert retried.image.mood == "wild"


def test_other_templates_are_another_request(house: House) -> None:
    alice = house.caller("alice")
    request = film(mood="calm")
    request.options.request_id = "r1"
    alice.call("GenerateVideo", request)
    request.spec.mood = "epic"
    assert alice.refused("GenerateVideo", request).reason == "REQUEST_ID_CONFLICT"


def test_the_simulator_reads_its_words_with_templates_around_them(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    house = open_house(house_loop, tmp_path / "data", valkey.url, simulator=True)
    request = film("sim:slow", mood="calm", model="simulator-video")
    job = house.caller("alice").call("GenerateVideo", request).job
    close_house(house_loop, house)
    assert job.final_prompt == "sim:slow\nMood: calm, quiet, unhurried."
    assert job.video.prompt == "sim:slow"


def test_the_templates_of_this_installation_are_listed_with_their_texts(inked: House) -> None:
    answer = inked.caller("alice").call("ListPromptTemplates", pb.ListPromptTemplatesRequest())

    listed = [(t.field, t.name, t.description, t.text) for t in answer.prompt_templates]
    assert listed == [
        ("style_pack", "ink", "Ink.", "Style: ink on paper."),
        ("mood", "calm", "Calm.", "Mood: calm."),
        ("mood", "wild", "Wild.", "Mood: wild."),
        ("cinematography", "pan", "Pan.", "Camera: pan."),
    ]
