"""From a job to the fields of one call."""

import io
from dataclasses import replace
from typing import Any, get_args, get_type_hints

import pytest
from openai.types.image_edit_params import ImageEditParamsBase
from openai.types.image_generate_params import ImageGenerateParamsBase
from PIL import Image

from core.errors import Reason
from core.jobs import Job
from tests.fakes import media
from tests.making import VIDEO
from tests.unit.workers.providers.openai.jobs import job_of
from workers.providers import ProviderFailed
from workers.providers.openai.requests import FORMATS, QUALITIES, make_request


def no_input(media_id: str) -> bytes:
    raise AssertionError("nothing is to be read")


def fields_of(job: Job, **inputs: bytes) -> dict[str, Any]:
    return make_request(job, "gpt-image-x", inputs.__getitem__).fields


def test_a_prompt_alone_is_generated_from_what_the_templates_made_of_it() -> None:
    job = replace(job_of(size="1536x1024", output_count=3), final_prompt="a boat, oil on canvas")
    request = make_request(job, "gpt-image-x", no_input)
    user = request.fields.pop("safety_identifier")
    assert request.fields == {
        "model": "gpt-image-x",
        "prompt": "a boat, oil on canvas",
        "n": 3,
        "size": "1536x1024",
        "quality": "medium",
        "output_format": "png",
    }
    assert (request.edits, request.outputs) == (False, 3)
    assert "alice" not in user
    assert len(user) == 64


@pytest.mark.parametrize(("step", "quality"), QUALITIES.items())
def test_each_step_of_quality_has_its_name(step: str, quality: str) -> None:
    assert fields_of(job_of(quality=step))["quality"] == quality


@pytest.mark.parametrize(("mime_type", "name"), FORMATS.items())
def test_each_type_of_file_has_its_name(mime_type: str, name: str) -> None:
    assert fields_of(job_of(output_mime_type=mime_type))["output_format"] == name


def test_every_field_and_value_is_one_that_the_sdk_knows() -> None:
    job = job_of(references=("a",), mask="m")
    fields = fields_of(job, a=media.image(), m=media.image())
    generate, edit = get_type_hints(ImageGenerateParamsBase), get_type_hints(ImageEditParamsBase)
    assert set(fields) <= set(edit)
    assert set(fields) - {"image", "mask"} <= set(generate)
    for name, values in (("quality", QUALITIES), ("output_format", FORMATS)):
        for hints in (generate, edit):
            known = {value for part in get_args(hints[name]) for value in get_args(part)}
            assert set(values.values()) <= known


def test_references_are_edited_in_their_order_under_names_of_their_own() -> None:
    job = job_of(references=("a", "b"))
    first, second = media.image("image/jpeg"), media.image("image/webp")
    request = make_request(job, "gpt-image-x", {"a": first, "b": second}.__getitem__)
    assert request.edits
    assert request.fields["image"] == [
        ("reference-0.jpg", first, "image/jpeg"),
        ("reference-1.webp", second, "image/webp"),
    ]
    assert "mask" not in request.fields


def test_what_is_white_in_a_mask_is_transparent_in_theirs() -> None:
    # Given a mask of another size and type, white on its right half
    mask = Image.new("RGB", (20, 10), "black")
    mask.paste("white", (10, 0, 20, 10))
    file = io.BytesIO()
    mask.save(file, "JPEG")

    job = job_of(references=("a",), mask="m")
    fields = fields_of(job, a=media.image(width=64, height=32), m=file.getvalue())

    name, data, mime_type = fields["mask"]
    with Image.open(io.BytesIO(data)) as theirs:
        assert (name, mime_type, theirs.format) == ("mask.png", "image/png", "PNG")
        assert (theirs.size, theirs.mode) == ((64, 32), "RGBA")
        alpha = theirs.getchannel("A")
        assert [alpha.getpixel((x, 16)) for x in (0, 20, 44, 63)] == [255, 255, 0, 0]


def test_a_mask_fits_a_picture_as_it_is_seen() -> None:
    # Given a picture that a camera stored lying on its side
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (64, 32)).save(file, "JPEG", exif=exif)
    fields = fields_of(job_of(references=("a",), mask="m"), a=file.getvalue(), m=media.image())
    with Image.open(io.BytesIO(fields["mask"][1])) as theirs:
        assert theirs.size == (32, 64)


def test_what_is_clear_in_a_mask_counts_as_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(file, "PNG")
    fields = fields_of(job_of(references=("a",), mask="m"), a=media.image(), m=file.getvalue())
    with Image.open(io.BytesIO(fields["mask"][1])) as theirs:
        assert theirs.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("broken", [b"", b"no picture", media.image()[:60]])
def test_a_mask_that_is_no_picture_fails_for_free(broken: bytes) -> None:
    job = job_of(references=("a",), mask="m")
    with pytest.raises(ProviderFailed) as error:
        fields_of(job, a=media.image(), m=broken)
    assert error.value.failure.reason is Reason.INPUT_MEDIA_INVALID


def test_a_reference_that_is_no_picture_fails_for_free() -> None:
    with pytest.raises(ProviderFailed) as error:
        fields_of(job_of(references=("a",)), a=media.video())
    assert error.value.failure.reason is Reason.INPUT_MEDIA_INVALID


def test_a_video_is_not_made_here() -> None:
    with pytest.raises(ProviderFailed) as error:
        make_request(replace(job_of(), spec=VIDEO), "gpt-image-x", no_input)
    assert error.value.failure.reason is Reason.PROVIDER_REJECTED


def test_a_request_does_not_show_its_prompt() -> None:
    job = replace(job_of(), final_prompt="nobody reads this")
    assert "nobody reads this" not in repr(make_request(job, "gpt-image-x", no_input))


def test_the_same_user_has_the_same_pseudonym_and_others_have_others() -> None:
    def name(user_id: str) -> str:
        return str(fields_of(replace(job_of(), user_id=user_id))["safety_identifier"])

    assert name("alice") == name("alice")
    assert name("alice") != name("bob")
