import dataclasses
import json

import pytest

from core.kinds import spec_from_json
from core.specs import ImageSpec, Spec, VideoSpec, spec_to_json
from tests.making import IMAGE, VIDEO

FULL_VIDEO = dataclasses.replace(
    VIDEO,
    quality="HIGH",
    negative_prompt="rain",
    output_count=3,
    seed=0,
    audio=False,
    first_frame="first",
    last_frame="last",
    references=("one", "two"),
    source_video="source",
    style_pack="style",
    mood="calm",
    cinematography="slow",
    loop=True,
)
FULL_IMAGE = dataclasses.replace(
    IMAGE, seed=7, references=("one",), mask="mask", output_mime_type="image/webp"
)
SPECS = [VIDEO, IMAGE, FULL_VIDEO, FULL_IMAGE]


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_comes_back_from_json_as_it_was(spec: Spec) -> None:
    assert spec_from_json(spec.kind, json.loads(json.dumps(spec_to_json(spec)))) == spec


@pytest.mark.parametrize("spec", SPECS)
def test_names_of_a_newer_version_are_left_out(spec: Spec) -> None:
    assert spec_from_json(spec.kind, {**spec_to_json(spec), "from_the_future": 1}) == spec


def test_what_is_unset_is_not_written_and_a_seed_of_zero_is() -> None:
    assert "seed" not in spec_to_json(VIDEO)
    assert "references" not in spec_to_json(VIDEO)
    # Else the digests of requests from before there were loops would change.
    assert "loop" not in spec_to_json(VIDEO)
    assert spec_to_json(FULL_VIDEO)["seed"] == 0
    assert spec_to_json(FULL_VIDEO)["audio"] is False


def test_the_inputs_are_all_media_that_the_spec_names() -> None:
    assert FULL_VIDEO.inputs == ("first", "last", "source", "one", "two")
    assert FULL_IMAGE.inputs == ("one", "mask")
    assert VIDEO.inputs == IMAGE.inputs == ()


@pytest.mark.parametrize("spec", [VIDEO, IMAGE])
def test_a_spec_never_changes(spec: Spec) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.prompt = "other"  # type: ignore[misc]


def test_the_kind_names_the_class() -> None:
    assert (VideoSpec.kind, ImageSpec.kind) == ("video", "image")
