"""The packaged models against the lists that the providers' own packages have."""

from typing import get_args

import pytest
from google.genai._gaos.types.interactions.model import Model as GoogleModels
from openai.types.image_model import ImageModel

from core.catalog.models import Model, read_catalog
from core.kinds import KINDS, rendering_of

CATALOG = read_catalog(None)
TODAY_MS = 1_795_219_200_000  # 2026-11-21
GOOGLE = {name for choice in get_args(GoogleModels) for name in get_args(choice)}
# Shut down in 2026, and what takes their place.
RETIRED = {
    "veo-3.0-generate-001": ("2026-06-30", "gemini-omni-1.2-flash"),
    "veo-3.0-fast-generate-001": ("2026-06-30", "gemini-omni-1.2-flash"),
    "imagen-4.0-generate-001": ("2026-08-17", "gemini-3-pro-image"),
    "gemini-2.5-flash-image": ("2026-10-02", "gemini-3.1-flash-image"),
    "dall-e-3": ("2026-05-12", "gpt-image-2.5-flare"),
}


def of(provider: str) -> list[Model]:
    """Its models that are not retired."""
    known = CATALOG.models.values()
    return [m for m in known if m.provider == provider and not m.retired(TODAY_MS)]


def test_google_s_package_lists_the_models_of_the_gemini_api() -> None:
    names = [model.provider_model for model in of("gemini")]
    assert names == ["gemini-omni-1.2-flash", "gemini-3.1-flash-image", "gemini-3-pro-image"]
    assert set(names) <= GOOGLE


def test_openai_s_package_lists_its_models_and_says_which_are_gone() -> None:
    names = [model.provider_model for model in of("openai")]
    assert names == ["gpt-image-2.5-flare", "gpt-image-2.6-flare"]
    assert set(names) <= set(get_args(ImageModel))
    assert "dall-e-3" in get_args(ImageModel)


def test_veo_runs_on_vertex() -> None:
    # Google's package has no list of these names.
    names = [model.provider_model for model in of("vertex")]
    assert names == ["veo-3.1-generate-001", "veo-3.1-fast-generate-001"]


@pytest.mark.parametrize("name", list(RETIRED))
def test_a_model_of_the_predecessors_is_retired_and_names_its_successor(name: str) -> None:
    day, replacement = RETIRED[name]
    model = CATALOG.models[name]

    assert (str(model.shutdown_time), model.replacement) == (day, replacement)
    assert model.retired(TODAY_MS)
    assert CATALOG.models[replacement].unavailable_reason(TODAY_MS) == ""


def test_every_other_model_lives() -> None:
    retired = {name for name, model in CATALOG.models.items() if model.retired(TODAY_MS)}
    assert retired == set(RETIRED)


def test_only_a_model_that_is_run_by_name_may_lack_a_price() -> None:
    unpriced = {m.model for m in CATALOG.models.values() if not m.priced} - set(RETIRED)
    assert unpriced == {"gpt-image-2.6-flare"}
    assert CATALOG.unpriced_defaults() == []


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_simulator_takes_every_field(kind: str) -> None:
    ability = CATALOG.models[f"simulator-{kind}"].ability(kind)
    assert ability is not None
    assert set(ability.fields) == set(rendering_of(kind).fields)


def test_every_model_that_polls_says_how_often_and_how_long_it_takes() -> None:
    for model in (*of("gemini"), *of("vertex"), *of("openai"), *of("simulator")):
        assert model.typical_seconds > 0
        assert model.poll_seconds == (0.25 if model.provider == "simulator" else 30)


def test_all_of_them_wait_in_the_queues_of_their_kinds() -> None:
    assert CATALOG.queues == ("video", "image")
