"""Estimates of the packaged models are upper bounds of what their tokens are charged at.

How many tokens a request can have is written down nowhere in full. Held here are, rounded up:

- `IMAGES`, Gemini: the tokens of one image by its size, and 1120 for each input, by Google's page
  on Gemini 3.1 Flash Image; those of Gemini 3 Pro Image follow from its list prices (0.134 and 0.24
  at 120 per million), and are assumed for its inputs.
- `IMAGES`, OpenAI: no table of GPT Image 2.5 was found. That of 1.5 has up to 408, 1584 and 6240
  tokens, and users of 2 saw 7024 at high quality; 1760 is assumed to be above both, and an input to
  have as many as the largest image of 1.5 and a few for its tiles.
- `THOUGHTS`: an assumption; nobody limits them below the 32,768 tokens that an answer may have.
- A token for each character of the prompt: four times what English has. Inputs and prompt are
  counted for each image that is made: so GPT Image 2 was seen to bill several.
"""

import dataclasses
import itertools

import pytest

from core.catalog.ability import Ability
from core.catalog.models import Model, read_catalog
from core.process.settings import read_settings
from core.specs import ImageSpec

CATALOG = read_catalog(None)
PROMPT = "x" * read_settings().max_prompt_characters
# By model: the image tokens of an output by its size or quality, of an input, and of thoughts.
THOUGHTS = 2048
IMAGES: dict[str, tuple[dict[str, int], int, int]] = {
    "gemini-3.1-flash-image": ({"1K": 1120, "2K": 1680, "4K": 2520}, 1120, THOUGHTS),
    "gemini-3-pro-image": ({"1K": 1120, "2K": 1120, "4K": 2000}, 1120, THOUGHTS),
    "gpt-image-2.5-flare": ({"DRAFT": 408, "STANDARD": 1760, "": 1760, "HIGH": 7024}, 6800, 0),
}
BY_TOKENS = [
    (model, ability)
    for model in CATALOG.models.values()
    for ability in (model.video, model.image)
    if ability and ability.prices and ability.token_prices
]


def largest(model: Model, ability: Ability, size: str, quality: str, inputs: int) -> ImageSpec:
    return ImageSpec(
        prompt=PROMPT,
        model=model.model,
        quality=quality,
        aspect_ratio=ability.aspect_ratios[0],
        size=size,
        output_count=ability.max_output_count,
        references=("r",) * inputs,
        mask="m" if inputs and "mask" in ability.fields else None,
    )


def most_tokens(spec: ImageSpec) -> dict[str, int]:
    made, of_input, thoughts = IMAGES[spec.model]
    tokens = {
        "text_input": len(PROMPT),
        "image_input": of_input * len(spec.inputs),
        "text_output": thoughts,
        "image_output": made[spec.size if spec.size in made else spec.quality],
    }
    return {kind: count * spec.output_count for kind, count in tokens.items()}


@pytest.mark.parametrize(
    ("model", "ability"), BY_TOKENS, ids=lambda value: getattr(value, "model", "")
)
def test_no_request_is_charged_above_its_estimate(model: Model, ability: Ability) -> None:
    qualities = ("", *ability.qualities)
    inputs = range(ability.max_references + 1)
    for size, quality, count in itertools.product(ability.resolutions, qualities, inputs):
        spec = largest(model, ability, size, quality, count)
        for fewer in (1, spec.output_count):
            asked = dataclasses.replace(spec, output_count=fewer)
            charged, estimated = (
                ability.charge_micros(most_tokens(asked)),
                model.estimate_micros(asked),
            )
            assert charged is not None
            assert estimated is not None
            assert charged <= estimated, (size, quality, count, fewer)


def test_every_model_that_is_charged_by_tokens_is_held_to_that() -> None:
    assert {model.model for model, _ in BY_TOKENS} == set(IMAGES)
