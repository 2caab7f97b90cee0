from dataclasses import replace
from typing import Any

import pytest

from core.errors import Reason
from tests.fakes import media
from tests.unit.workers.providers.vertex.conftest import SPEC, read_input
from workers.providers import ProviderFailed
from workers.providers.vertex.requests import EXTENSION_SECONDS, Input, VeoRequest, make_request

IMAGE = Input(media.image(), "image/png")
FILM = Input(media.video(), "video/mp4")


def request_for(**changes: Any) -> VeoRequest:
    return make_request(replace(SPEC, **changes), "the final prompt", "veo", read_input)


def test_a_plain_spec_asks_for_just_that_with_sound() -> None:
    assert request_for() == VeoRequest(
        model="veo",
        prompt="the final prompt",
        seconds=8,
        aspect_ratio="16:9",
        resolution="1080p",
        audio=True,
    )


@pytest.mark.parametrize(
    ("spec", "request_fields"),
    [
        ({"audio": False}, {"audio": False}),
        ({"audio": True}, {"audio": True}),
        ({"seed": 7, "output_count": 3}, {"seed": 7, "count": 3}),
        ({"negative_prompt": "blur"}, {"negative_prompt": "blur"}),
        ({"duration_ms": 4000}, {"seconds": 4}),
        ({"first_frame": "one"}, {"first_frame": IMAGE}),
        (
            {"first_frame": "one", "last_frame": "two"},
            {"first_frame": IMAGE, "last_frame": IMAGE},
        ),
        ({"references": ("one", "two")}, {"references": (IMAGE, IMAGE)}),
        ({"source_video": "film"}, {"video": FILM, "seconds": EXTENSION_SECONDS}),
    ],
)
def test_each_field_is_passed_on(spec: dict[str, Any], request_fields: dict[str, Any]) -> None:
    assert request_for(**spec) == replace(request_for(), **request_fields)


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("last_frame", {"last_frame": "one"}),
        ("source_video", {"source_video": "film", "first_frame": "one"}),
        ("references", {"references": ("one",), "first_frame": "two"}),
        ("references", {"references": ("one",), "source_video": "film"}),
    ],
)
def test_what_veo_does_not_take_together_is_refused_by_name(
    field: str, spec: dict[str, Any]
) -> None:
    with pytest.raises(ProviderFailed) as error:
        request_for(**spec)
    assert error.value.failure.reason is Reason.PROVIDER_REJECTED
    assert error.value.failure.metadata == {"field": f"spec.{field}"}


@pytest.mark.parametrize("spec", [{"first_frame": "film"}, {"source_video": "image"}])
def test_an_input_of_another_type_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ProviderFailed) as error:
        request_for(**spec)
    assert error.value.failure.reason is Reason.INPUT_MEDIA_INVALID
